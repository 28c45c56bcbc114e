"""Questions, answers, labels, predictions, review and approvals."""
