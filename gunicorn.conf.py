"""What holds wherever gunicorn is started from here; how many processes and threads stands in Procfile."""

# The path without its query: that of the sign-in carries a code, those of searches what somebody typed.
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'
