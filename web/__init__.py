"""Pages and JSON endpoints, one blueprint per subject, without SQL, numerical computation or outgoing requests."""
