-- The data, for MariaDB 10.4 to 11. Times are UTC. `page_id` is the Commons page id: the entity of a file is M<page_id>.
-- What does not depend on who asks stands once (files, faces); what somebody decided (answers, approvals) stands apart from
-- what a model guessed (predictions, questions). Run by migrate.py; changes to a landed schema go there, in order.

CREATE TABLE users (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  subject VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- the account's id on the wiki: names change, it does not
  name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  access_token VARBINARY(4096) NULL,        -- sealed by token_crypto where a key is set
  refresh_token VARBINARY(4096) NULL,       -- NULL with access_token set: the refresh token is dead, sign in again
  token_expires_at DATETIME NULL,
  token_version INT UNSIGNED NOT NULL DEFAULT 0, -- compare-and-swap: whoever raises it by one has refreshed
  refreshing_until DATETIME NULL,           -- single flight: one process refreshes, the others wait until then
  session_epoch INT UNSIGNED NOT NULL DEFAULT 0, -- part of every session; raising it signs out everywhere
  language VARCHAR(12) NULL,
  blocked TINYINT(1) NOT NULL DEFAULT 0,    -- blocked on the wiki when last seen
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  seen_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  UNIQUE KEY by_subject (subject),          -- sign-in
  KEY by_name (name)                        -- invitations by Wikimedia name
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Counts that outlive a deleted project; user_id NULL: an account that was deleted, its counts kept without a name.
CREATE TABLE user_stats (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_id BIGINT UNSIGNED NULL,
  answers INT UNSIGNED NOT NULL DEFAULT 0,
  matches INT UNSIGNED NOT NULL DEFAULT 0,
  statements INT UNSIGNED NOT NULL DEFAULT 0,
  projects INT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY by_user (user_id),
  KEY by_statements (statements, answers)   -- leaderboard
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE files (
  page_id BIGINT UNSIGNED NOT NULL,
  title VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- without "File:", with blanks
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,              -- of the bytes last seen
  size_bytes BIGINT UNSIGNED NULL,
  width INT UNSIGNED NULL,                  -- of the file, upright
  height INT UNSIGNED NULL,
  uploaded_at DATETIME NULL,                -- of the version last seen
  thumb_url VARCHAR(2048) NULL,             -- the 960 px rendering, as the wiki gave it
  description TEXT NULL,                    -- plain text
  taken_on VARCHAR(64) NULL,                -- date of the picture, as the wiki words it
  depicts VARCHAR(1000) NULL,               -- items that Commons states in it, by comma, when last read
  captions TEXT NULL,                       -- its captions then: JSON, language to text, at most 10 of 255 characters; NULL: none
  -- waiting -> searched | error | gone; searched -> waiting when sha1, detector or encoder change, or a dropped encoding is
  -- wanted again; error -> waiting at search_due_at for errors that pass; gone: deleted, or no picture any more
  state ENUM('waiting', 'searched', 'error', 'gone') NOT NULL DEFAULT 'waiting',
  error VARCHAR(64) NULL,                   -- a reason key; the pages put it into words
  error_detail VARCHAR(255) NULL,
  attempts TINYINT UNSIGNED NOT NULL DEFAULT 0,
  search_due_at DATETIME NULL,              -- when to search next; NULL: nothing to do
  searched_at DATETIME NULL,
  searched_sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  searched_width INT UNSIGNED NULL,         -- of the picture that was searched
  searched_height INT UNSIGNED NULL,
  detector VARCHAR(64) NULL,                -- name and version that searched it
  face_count SMALLINT UNSIGNED NULL,        -- faces the detector found
  lease_token BINARY(16) NULL,              -- detection claim: later writes carry it
  lease_worker VARCHAR(64) NULL,
  leased_at DATETIME NULL,
  PRIMARY KEY (page_id),
  KEY by_title (title),                     -- bootstrap and lists by title
  KEY by_lease_worker (lease_worker)        -- claims of a worker that died
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE projects (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  owner_id BIGINT UNSIGNED NOT NULL,
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,       -- Q42
  label VARCHAR(255) NOT NULL,
  description VARCHAR(500) NOT NULL DEFAULT '',
  portrait_title VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, -- P18, without "File:"
  portrait_page_id BIGINT UNSIGNED NULL,
  born VARCHAR(16) NULL,                    -- ISO date, as precise as Wikidata knows
  died VARCHAR(16) NULL,
  source_kind ENUM('category', 'titles', 'pagepile', 'search') NOT NULL DEFAULT 'category',
  source VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- category without "Category:", pile id, query or name of the list
  source_text MEDIUMTEXT NULL,              -- the titles of a list, one a line
  depth TINYINT UNSIGNED NOT NULL DEFAULT 5, -- subcategory levels to enter
  excluded TEXT NULL,                       -- subcategories left out, one a line
  distance_threshold DOUBLE NOT NULL DEFAULT 0.6, -- the farthest from the centroid that a match may be
  min_confirmed SMALLINT UNSIGNED NOT NULL DEFAULT 5, -- faces confirmed by a human before the model answers
  error_budget SMALLINT UNSIGNED NOT NULL DEFAULT 100, -- at most 1 wrong in so many of the model's matches
  write_position TINYINT(1) NOT NULL DEFAULT 0, -- add qualifier P2677 "relative position within image"
  -- active <-> paused; active|paused <-> completed (no crawl; model, sending and undo go on); any -> deleted (purged by a worker)
  status ENUM('active', 'paused', 'completed', 'deleted') NOT NULL DEFAULT 'active',
  barred VARCHAR(32) NULL,                  -- why nobody may look for the person: blocked_item, minor; then it is paused, and stays so
  settings_version INT UNSIGNED NOT NULL DEFAULT 0, -- raised by every change of settings: the model runs again
  -- what the worker last counted or said, for the pages
  crawled_at DATETIME NULL,                 -- last complete look at the source
  crawl_cut TINYINT(1) NOT NULL DEFAULT 0,  -- the source holds more files than a project may
  searched_from DATETIME NULL,              -- when the last look at the source began: newer members are new to us
  source_json MEDIUMTEXT NULL,              -- its categories with their counts, and when all were last read through
  model_run INT UNSIGNED NOT NULL DEFAULT 0,
  model_at DATETIME NULL,
  model_json MEDIUMTEXT NULL,               -- what the last run said: cut, expected wrong, unfound interval, changes, histogram
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  deleted_at DATETIME NULL,
  PRIMARY KEY (id),
  UNIQUE KEY once (owner_id, item, source_kind, source), -- no second one with the same person and source, also while it is purged
  KEY by_status (status),                   -- health and metrics: how many of each
  KEY by_item (item)                        -- projects of somebody who was named in another one
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Whose turn it is to be searched: a claim reads the projects that wait, not all of them (store/detection/search_turns.py).
CREATE TABLE search_turns (
  project_id BIGINT UNSIGNED NOT NULL,
  owner_id BIGINT UNSIGNED NOT NULL,
  due_at DATETIME(3) NULL,                  -- from when on a file of the project may be due; NULL: none waits
  served_at DATETIME(3) NULL,               -- when a batch of it was last claimed
  PRIMARY KEY (project_id),
  KEY by_due (due_at),                      -- claims
  KEY by_owner (owner_id, served_at)        -- round-robin over owners
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE project_members (
  project_id BIGINT UNSIGNED NOT NULL,
  user_id BIGINT UNSIGNED NOT NULL,
  role ENUM('owner', 'labeller') NOT NULL,
  added_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (project_id, user_id),        -- every access check
  KEY by_user (user_id)                     -- dashboard
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE project_files (
  project_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  origin ENUM('source', 'bootstrap', 'portrait') NOT NULL DEFAULT 'source', -- in the category or list; depicts the person elsewhere; P18
  stated TINYINT(1) NOT NULL DEFAULT 0,     -- Commons states the person here, when last read
  stated_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,      -- that statement's GUID, where known
  stated_at DATETIME NULL,                  -- when last read
  protected TINYINT(1) NOT NULL DEFAULT 0,  -- most accounts may not edit the page, when last read; 0 again once a human wants to try
  in_source TINYINT(1) NOT NULL DEFAULT 1,  -- 0: no longer in the category (kept: somebody answered)
  -- how the file stands, repeated so that claims and counts read no other table (files.copy_to_projects)
  search_due_at DATETIME NULL,              -- when a claim may take it: its due time, or the end of its lease; NULL: it does not wait
  state ENUM('waiting', 'searched', 'error', 'gone') NOT NULL DEFAULT 'waiting',
  error VARCHAR(64) NULL,
  face_count SMALLINT UNSIGNED NULL,
  searched_at DATETIME NULL,
  -- the standing answer for the file as a whole, where no face was found
  file_answer ENUM('shown', 'not_shown') NULL,
  added_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (project_id, page_id),
  KEY by_page (page_id),                    -- who looks at a file
  KEY by_stated (project_id, stated),       -- what Commons states already: review, removals, doubts
  KEY to_search (project_id, search_due_at) -- detection claims: only what waits, the due ones first
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE faces (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  page_id BIGINT UNSIGNED NOT NULL,
  project_id BIGINT UNSIGNED NULL,          -- NULL: found by the detector, shared; else drawn by hand, seen by that project alone
  replaces BIGINT UNSIGNED NULL,            -- the face whose box a drawn one corrects, for its project
  drawn_by BIGINT UNSIGNED NULL,            -- user
  box_left DOUBLE NOT NULL,                 -- fractions 0..1 of the upright picture
  box_top DOUBLE NOT NULL,
  box_width DOUBLE NOT NULL,
  box_height DOUBLE NOT NULL,
  size_px SMALLINT UNSIGNED NULL,           -- side of the face in the picture searched
  score FLOAT NULL,                         -- the detector's
  detector VARCHAR(64) NULL,
  sharpness FLOAT NULL,
  poor TINYINT(1) NOT NULL DEFAULT 0,       -- too small or blurred: asked about last, trains nothing
  encoding VARBINARY(512) NULL,             -- 128 little-endian float32; NULL while it waits, or when dropped
  encoder VARCHAR(64) NULL,
  -- waiting -> encoded | failed (drawn faces); encoded -> dropped (no active project looks) -> encoded (computed again);
  -- any -> gone (not in the newest version of the file; kept because somebody answered about it)
  state ENUM('waiting', 'encoded', 'failed', 'dropped', 'gone') NOT NULL,
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL, -- of the bytes it was found or drawn in
  lease_token BINARY(16) NULL,              -- a worker encodes a drawn face
  lease_worker VARCHAR(64) NULL,
  leased_at DATETIME NULL,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  KEY by_page (page_id),                    -- faces of a file
  KEY by_project (project_id, state)        -- drawn faces of a project; those that wait
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE face_chips (
  face_id BIGINT UNSIGNED NOT NULL,
  jpeg MEDIUMBLOB NOT NULL,                 -- 150 px, for the pages
  PRIMARY KEY (face_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Append-only: what was asked and what was said. Undo sets withdrawn_at; nothing else changes a row.
CREATE TABLE answers (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  project_id BIGINT UNSIGNED NOT NULL,
  user_id BIGINT UNSIGNED NOT NULL,
  client_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- made by the client: a repeat is harmless
  step CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- answers given by one key press share it: undone together
  page_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NULL,             -- NULL: about the file as a whole
  -- faces: target, other (somebody else), not_face, unsure, skip; files: shown (no face visible), not_shown, skip
  answer ENUM('target', 'other', 'not_face', 'unsure', 'skip', 'shown', 'not_shown') NOT NULL,
  twice TINYINT(1) NOT NULL DEFAULT 0,      -- with target: the picture holds the person more than once
  other_item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NULL, -- with other: who it is, if said
  reason VARCHAR(32) NULL,                  -- why it was asked (of a question), or review, drawn
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL, -- of the bytes that were shown
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  withdrawn_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY by_client (user_id, client_id),
  KEY by_file (project_id, page_id),        -- what stands for a file
  KEY by_person (other_item),               -- what is offered to that person's own projects
  KEY by_project_user (project_id, user_id, withdrawn_at, id) -- undo: the newest that stands
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What follows from the answers that stand and from bootstrap; written anew per file by store/labelling/labels.py.
CREATE TABLE labels (
  project_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  label ENUM('target', 'other', 'not_face', 'unsure') NOT NULL,
  -- human: answered singly; implied: another face of the file is the target; bootstrap: only face of a file that Commons
  -- says depicts the person; portrait: only face of P18
  source ENUM('human', 'implied', 'bootstrap', 'portrait') NOT NULL,
  answer_id BIGINT UNSIGNED NULL,
  suspended TINYINT(1) NOT NULL DEFAULT 0,  -- the file was overwritten since: counts for nothing until asked again
  PRIMARY KEY (project_id, face_id),
  KEY by_file (project_id, page_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE predictions (
  project_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  distance FLOAT NULL,                      -- to the centroid of the confirmed faces
  probability FLOAT NULL,                   -- calibrated, that the face is the person's
  suggestion ENUM('match', 'no_match', 'unsure') NOT NULL, -- match: claimed within the error budget
  run INT UNSIGNED NOT NULL,
  PRIMARY KEY (project_id, face_id),
  KEY by_suggestion (project_id, suggestion, probability, page_id), -- review: its order, and its counts without a look at the rows
  KEY by_distance (project_id, distance)    -- questions before the worker has ranked any
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE questions (
  project_id BIGINT UNSIGNED NOT NULL,
  position SMALLINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NULL,             -- NULL: about the file as a whole
  reason VARCHAR(32) NOT NULL,              -- named, alike, unsure, unseen, spot_check, mistaken, first
  similar VARCHAR(120) NOT NULL DEFAULT '', -- ids of the most similar confirmed faces, by comma
  run INT UNSIGNED NOT NULL,
  PRIMARY KEY (project_id, position)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What may be written: a human of the project said so, for the bytes they saw.
CREATE TABLE approvals (
  project_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NULL,             -- NULL: the file as a whole
  user_id BIGINT UNSIGNED NOT NULL,
  kind ENUM('alone', 'bulk') NOT NULL,      -- alone: follows from an answer; bulk: the model's suggestions, approved together
  step CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- bulk: made by the client; taken back together
  probability FLOAT NULL,                   -- the model's at that time
  prominent TINYINT(1) NOT NULL DEFAULT 0,  -- write with rank preferred
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  suspended TINYINT(1) NOT NULL DEFAULT 0,  -- the file was overwritten since
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (project_id, page_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The ledger of what was, is being and will be written. It outlives its project.
CREATE TABLE batches (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  project_id BIGINT UNSIGNED NOT NULL,      -- no foreign key: it outlives the project
  user_id BIGINT UNSIGNED NOT NULL,         -- under whose account it is sent
  hex CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- of the batch link in every summary
  -- send: approved statements; undo: ours taken back; removal: anybody's, rejected by a human; positions: added to ours
  kind ENUM('send', 'undo', 'removal', 'positions') NOT NULL DEFAULT 'send',
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  label VARCHAR(255) NOT NULL,
  -- running <-> paused (by a human or by pause_reason); running|paused -> stopped | done
  state ENUM('running', 'paused', 'stopped', 'done') NOT NULL DEFAULT 'running',
  pause_reason VARCHAR(64) NULL,            -- a reason key: sign_in, blocked, reverted, ...
  waiting_until DATETIME NULL,              -- the wiki holds us up until then
  waiting_why VARCHAR(64) NULL,             -- maxlag, ratelimited, readonly, unreachable
  waiting_lag FLOAT NULL,                   -- seconds
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  finished_at DATETIME NULL,
  PRIMARY KEY (id),
  KEY by_user (user_id, state),             -- what a user's sender has to do
  KEY by_project (project_id, id)           -- history
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE edits (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  batch_id BIGINT UNSIGNED NOT NULL,
  project_id BIGINT UNSIGNED NOT NULL,      -- no foreign key: it outlives the project
  user_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  title VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  action ENUM('add', 'remove', 'qualify') NOT NULL,
  face_id BIGINT UNSIGNED NULL,
  probability FLOAT NULL,
  approved_by BIGINT UNSIGNED NULL,
  approved_sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  statement_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- add: our own GUID, stored before it is sent
  qualifier VARCHAR(120) NULL,              -- P2677 value
  prominent TINYINT(1) NOT NULL DEFAULT 0,
  forced TINYINT(1) NOT NULL DEFAULT 0,     -- remove: a human said a second yes although others changed the statement
  undoes BIGINT UNSIGNED NULL,              -- the edit that this one takes back
  -- queued -> sending (request may be out) -> done | already | failed | skipped | reverted; sending -> queued | cancelled (known
  -- not to be written); queued -> cancelled | skipped; done -> undone (removed by us) | reverted (seen on the wiki);
  -- failed -> queued (retry by a human); reverted -> undone (asked to send again)
  state ENUM('queued', 'sending', 'done', 'already', 'failed', 'skipped', 'cancelled', 'undone', 'reverted')
    NOT NULL DEFAULT 'queued',
  base_revision BIGINT UNSIGNED NULL,       -- sent with the request
  revision_id BIGINT UNSIGNED NULL,         -- read back
  attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  due_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  error VARCHAR(64) NULL,                   -- a reason key; the pages put it into words
  error_detail VARCHAR(255) NULL,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  sent_at DATETIME NULL,
  finished_at DATETIME NULL,
  look_at DATETIME NULL,                    -- when to look next whether it still stands (store/publishing/reverts.py); NULL: not any more
  PRIMARY KEY (id),
  KEY by_batch (batch_id, state),           -- progress; what to send next
  KEY by_file (page_id, item, state),       -- one edit at a time per file; is it sent already
  KEY by_project (project_id, state),       -- history, cancelling
  KEY by_user (user_id, state, due_at),     -- what a user's sender has to do
  KEY to_look (look_at)                     -- what was written and is looked at again
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One edit at a time per file, across projects and users: held while a request may be out.
CREATE TABLE file_locks (
  page_id BIGINT UNSIGNED NOT NULL,
  edit_id BIGINT UNSIGNED NOT NULL,
  lease_token BINARY(16) NOT NULL,
  lease_worker VARCHAR(64) NOT NULL,
  leased_at DATETIME NOT NULL,
  PRIMARY KEY (page_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What is to be done for a whole project or user, and when; a claim of it is a lease. Detection leases stand in files.
CREATE TABLE tasks (
  -- crawl, bootstrap, model, purge: subject is a project; publish: subject is a user
  kind ENUM('crawl', 'bootstrap', 'model', 'publish', 'purge') NOT NULL,
  subject_id BIGINT UNSIGNED NOT NULL,
  due_at DATETIME(3) NULL,                  -- NULL: nothing to do
  wanted INT UNSIGNED NOT NULL DEFAULT 0,   -- raised by every wish; what was wished for during a run is not lost when it ends
  rest_until DATETIME(3) NULL,              -- a wish with a delay is not due before: a run that took long is followed by a rest
  hurried TINYINT(1) NOT NULL DEFAULT 0,    -- somebody wished without a delay since the last claim: no rest after that run
  attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  error VARCHAR(64) NULL,
  error_detail VARCHAR(255) NULL,
  cursor_json MEDIUMTEXT NULL,              -- where an interrupted run goes on
  lease_token BINARY(16) NULL,
  lease_worker VARCHAR(64) NULL,
  leased_at DATETIME NULL,
  PRIMARY KEY (kind, subject_id),
  KEY by_due (kind, due_at),                -- claims
  KEY by_lease_worker (lease_worker)        -- claims of a worker that died
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Items of Wikidata that were found to be merged into others: the old id still means the same person.
CREATE TABLE merged_items (
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  target VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  found_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (item),
  KEY by_target (target)                    -- all that are the same person
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- People whom nobody may look for, beside those of WIKIVISAGE_BLOCKED_ITEMS.
CREATE TABLE blocked_items (
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason VARCHAR(255) NOT NULL DEFAULT '',
  added_by BIGINT UNSIGNED NULL,            -- administrator; NULL: an account that was deleted
  added_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (item)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What items that are stated in files are called: to say who else is in a photograph. Language '': when it was read.
CREATE TABLE item_labels (
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  language VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  label VARCHAR(255) NOT NULL,
  read_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (item, language)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE workers (
  id VARCHAR(64) NOT NULL,
  host VARCHAR(255) NOT NULL,
  pid INT UNSIGNED NOT NULL,
  started_at DATETIME NOT NULL,
  heartbeat_at DATETIME NOT NULL,
  doing VARCHAR(255) NOT NULL DEFAULT '',
  networks_json TEXT NULL,                  -- why each network that it wants is missing ('': it is ready); NULL: not known yet
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row: raised by whoever leaves work, read every second by whoever waits for it.
CREATE TABLE signals (
  id TINYINT UNSIGNED NOT NULL,
  counter BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO signals (id, counter) VALUES (1, 0);
