"""Publishing: send approved edits to Commons, and notice reverts of edits that were sent."""
