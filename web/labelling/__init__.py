"""Views for questions, answers, labels, predictions, review and approvals."""
