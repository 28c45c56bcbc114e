-- Run by script/backup after a restore, because the wiki and the browsers have changed since the backup was made.

-- The workers in the backup no longer run: the first worker that starts releases what they had claimed.
UPDATE workers SET heartbeat_at = NOW() - INTERVAL 1 HOUR;

-- Users may have stopped or withdrawn edits since the backup, so nothing is sent until a user resumes the batch.
UPDATE batches SET state = 'paused', pause_reason = 'human', waiting_until = NULL WHERE state IN ('running', 'paused');

-- Queued edits may have been sent since the backup. Revision 0 makes the sender search the page's history for edits of
-- the batch, so that neither statements that are on the wiki nor statements that were reverted there are sent again.
UPDATE edits SET base_revision = 0 WHERE state = 'queued' AND base_revision IS NULL;

-- Ids assigned since the backup are still in cookies, open pages and outboxes of browsers: they must not be reused.
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
