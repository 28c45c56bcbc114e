-- Run by script/backup after a restore. The backup does not know what happened after it was made; the wiki and the browsers do.

-- Its workers are not running any more: the first worker that starts takes back what they had claimed.
UPDATE workers SET heartbeat_at = NOW() - INTERVAL 1 HOUR;

-- What somebody stopped or withdrew since is not known here, so nothing is sent before a human says so again.
UPDATE batches SET state = 'paused', pause_reason = 'human', waiting_until = NULL WHERE state IN ('running', 'paused');

-- Edits that wait may have been sent since. Revision 0 makes the sender look through the page's history for edits of the batch:
-- what stands on the wiki is not sent again, nor is what was sent and reverted.
UPDATE edits SET base_revision = 0 WHERE state = 'queued' AND base_revision IS NULL;

-- Ids given out since are still in cookies, open pages and outboxes of browsers: they must not come to mean something else.
SET @raise = CONCAT('ALTER TABLE users AUTO_INCREMENT = ', (SELECT COALESCE(MAX(id), 0) + 1000000 FROM users));
EXECUTE IMMEDIATE @raise;
SET @raise = CONCAT('ALTER TABLE user_stats AUTO_INCREMENT = ', (SELECT COALESCE(MAX(id), 0) + 1000000 FROM user_stats));
EXECUTE IMMEDIATE @raise;
SET @raise = CONCAT('ALTER TABLE projects AUTO_INCREMENT = ', (SELECT COALESCE(MAX(id), 0) + 1000000 FROM projects));
EXECUTE IMMEDIATE @raise;
SET @raise = CONCAT('ALTER TABLE faces AUTO_INCREMENT = ', (SELECT COALESCE(MAX(id), 0) + 1000000 FROM faces));
EXECUTE IMMEDIATE @raise;
SET @raise = CONCAT('ALTER TABLE answers AUTO_INCREMENT = ', (SELECT COALESCE(MAX(id), 0) + 1000000 FROM answers));
EXECUTE IMMEDIATE @raise;
SET @raise = CONCAT('ALTER TABLE batches AUTO_INCREMENT = ', (SELECT COALESCE(MAX(id), 0) + 1000000 FROM batches));
EXECUTE IMMEDIATE @raise;
SET @raise = CONCAT('ALTER TABLE edits AUTO_INCREMENT = ', (SELECT COALESCE(MAX(id), 0) + 1000000 FROM edits));
EXECUTE IMMEDIATE @raise;
