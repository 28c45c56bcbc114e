-- Schema for MariaDB 10.4 to 11, run by migrate.py, which also has the changes to a released schema. Times are UTC.
-- `page_id` is the Commons page id: a file's entity is M<page_id>. Data common to all projects is stored once (files,
-- faces); users' decisions (answers, approvals) are stored apart from results of the model (predictions, questions).

CREATE TABLE users (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  subject VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- account id on the wiki; names may change
  name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  access_token VARBINARY(4096) NULL,        -- encrypted by token_crypto if a key is set
  refresh_token VARBINARY(4096) NULL,       -- NULL with access_token set: no longer valid, sign in again
  token_expires_at DATETIME NULL,
  token_version INT UNSIGNED NOT NULL DEFAULT 0, -- compare-and-swap: each refresh raises it by 1
  refreshing_until DATETIME NULL,           -- one process refreshes, the others wait until then
  session_epoch INT UNSIGNED NOT NULL DEFAULT 0, -- part of every session; raising it ends all of them
  language VARCHAR(12) NULL,
  blocked TINYINT(1) NOT NULL DEFAULT 0,    -- blocked on the wiki at the last check
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  seen_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  UNIQUE KEY by_subject (subject),          -- sign-in
  KEY by_name (name)                        -- invitations by Wikimedia name
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Counts that are kept when a project is deleted; user_id NULL: counts of a deleted account, kept without its name.
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
  title VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- without "File:", with spaces
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,              -- of the bytes when last read
  size_bytes BIGINT UNSIGNED NULL,
  width INT UNSIGNED NULL,                  -- of the file, upright
  height INT UNSIGNED NULL,
  uploaded_at DATETIME NULL,                -- of the version last read
  thumb_url VARCHAR(2048) NULL,             -- URL of the 960 px rendering, as given by the wiki
  description TEXT NULL,                    -- plain text
  taken_on VARCHAR(64) NULL,                -- date of the picture, as text of the wiki
  depicts VARCHAR(1000) NULL,               -- comma-separated items that Commons states, when last read
  captions TEXT NULL,                       -- JSON, language to text, at most 10 of 255 characters; NULL: none
  -- waiting -> searched | error | gone; searched -> waiting if sha1, detector or encoder change, or a dropped encoding
  -- is requested again; error -> waiting at search_due_at for temporary errors; gone: deleted, or no picture any more
  state ENUM('waiting', 'searched', 'error', 'gone') NOT NULL DEFAULT 'waiting',
  error VARCHAR(64) NULL,                   -- a reason key, which the pages translate
  error_detail VARCHAR(255) NULL,
  attempts TINYINT UNSIGNED NOT NULL DEFAULT 0,
  search_due_at DATETIME NULL,              -- when to search next; NULL: never
  searched_at DATETIME NULL,
  searched_sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  searched_width INT UNSIGNED NULL,         -- of the rendering that was searched
  searched_height INT UNSIGNED NULL,
  detector VARCHAR(64) NULL,                -- name and version of the detector that searched it
  face_count SMALLINT UNSIGNED NULL,        -- number of faces found by the detector
  lease_token BINARY(16) NULL,              -- detection claim: required by later writes
  lease_worker VARCHAR(64) NULL,
  leased_at DATETIME NULL,
  PRIMARY KEY (page_id),
  KEY by_title (title),                     -- bootstrap and lists by title
  KEY by_lease_worker (lease_worker)        -- claims of a dead worker
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE projects (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  owner_id BIGINT UNSIGNED NOT NULL,
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,       -- Q42
  label VARCHAR(255) NOT NULL,
  description VARCHAR(500) NOT NULL DEFAULT '',
  portrait_title VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, -- P18, without "File:"
  portrait_page_id BIGINT UNSIGNED NULL,
  born VARCHAR(16) NULL,                    -- ISO date, with the precision of Wikidata
  died VARCHAR(16) NULL,
  source_kind ENUM('category', 'titles', 'pagepile', 'search') NOT NULL DEFAULT 'category',
  source VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- no "Category:"; or pile id, query or name
  source_text MEDIUMTEXT NULL,              -- the titles of a list, one per line
  depth TINYINT UNSIGNED NOT NULL DEFAULT 5, -- subcategory levels to enter
  excluded TEXT NULL,                       -- subcategories left out, one per line
  distance_threshold DOUBLE NOT NULL DEFAULT 0.6, -- largest distance of a match from the centroid
  min_confirmed SMALLINT UNSIGNED NOT NULL DEFAULT 5, -- human-confirmed faces needed before the model suggests
  error_budget SMALLINT UNSIGNED NOT NULL DEFAULT 100, -- at most 1 wrong in this many matches of the model
  write_position TINYINT(1) NOT NULL DEFAULT 0, -- add qualifier P2677 "relative position within image"
  -- active <-> paused; active|paused <-> completed (no crawl; model, sending, undo go on); any -> deleted (then purged)
  status ENUM('active', 'paused', 'completed', 'deleted') NOT NULL DEFAULT 'active',
  barred VARCHAR(32) NULL,                  -- why the project is blocked, and stays paused: blocked_item, minor
  settings_version INT UNSIGNED NOT NULL DEFAULT 0, -- raised by every change of settings; the model then runs again
  -- results of the worker's last runs, for the pages
  crawled_at DATETIME NULL,                 -- last complete crawl of the source
  crawl_cut TINYINT(1) NOT NULL DEFAULT 0,  -- the source has more files than a project may contain
  searched_from DATETIME NULL,              -- start of the last crawl; members added later are new
  source_json MEDIUMTEXT NULL,              -- its categories with their counts, and when all were last read
  model_run INT UNSIGNED NOT NULL DEFAULT 0,
  model_at DATETIME NULL,
  model_json MEDIUMTEXT NULL,               -- last run: cut, expected wrong, unfound interval, changes, histogram
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  deleted_at DATETIME NULL,
  PRIMARY KEY (id),
  UNIQUE KEY once (owner_id, item, source_kind, source), -- one project per person and source, also during a purge
  KEY by_status (status),                   -- health and metrics: counts by status
  KEY by_item (item)                        -- projects about a person named in another project
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Fair scheduling of detection: a claim reads only the projects that wait (store/detection/search_turns.py).
CREATE TABLE search_turns (
  project_id BIGINT UNSIGNED NOT NULL,
  owner_id BIGINT UNSIGNED NOT NULL,
  due_at DATETIME(3) NULL,                  -- earliest time at which a file may be due; NULL: none waits
  served_at DATETIME(3) NULL,               -- when files of it were last claimed
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
  origin ENUM('source', 'bootstrap', 'portrait') NOT NULL DEFAULT 'source', -- in the source; states the person; P18
  stated TINYINT(1) NOT NULL DEFAULT 0,     -- Commons states the person in the file, when last read
  stated_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,      -- GUID of that statement, if known
  stated_at DATETIME NULL,                  -- when last read
  protected TINYINT(1) NOT NULL DEFAULT 0,  -- most accounts may not edit the page, when last read; reset by a retry
  in_source TINYINT(1) NOT NULL DEFAULT 1,  -- 0: no longer in the category; the row and its answers are kept
  -- copy of the file's search state, so that claims and counts read no other table (files.copy_to_projects)
  search_due_at DATETIME NULL,              -- when it may be claimed: its due time or end of lease; NULL: never
  state ENUM('waiting', 'searched', 'error', 'gone') NOT NULL DEFAULT 'waiting',
  error VARCHAR(64) NULL,
  face_count SMALLINT UNSIGNED NULL,
  searched_at DATETIME NULL,
  -- the valid answer about the file as a whole, if no face was found
  file_answer ENUM('shown', 'not_shown') NULL,
  added_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (project_id, page_id),
  KEY by_page (page_id),                    -- projects that contain a file
  KEY by_stated (project_id, stated),       -- existing statements: review, removals, audit
  KEY to_search (project_id, search_due_at) -- detection claims: waiting files only, due ones first
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE faces (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  page_id BIGINT UNSIGNED NOT NULL,
  project_id BIGINT UNSIGNED NULL,          -- NULL: found by the detector, shared; else drawn in this project
  replaces BIGINT UNSIGNED NULL,            -- for a drawn face: the face whose box it corrects in its project
  drawn_by BIGINT UNSIGNED NULL,            -- user
  box_left DOUBLE NOT NULL,                 -- fractions 0..1 of the upright picture
  box_top DOUBLE NOT NULL,
  box_width DOUBLE NOT NULL,
  box_height DOUBLE NOT NULL,
  size_px SMALLINT UNSIGNED NULL,           -- side of the face in the rendering that was searched
  score FLOAT NULL,                         -- of the detector
  detector VARCHAR(64) NULL,
  sharpness FLOAT NULL,
  poor TINYINT(1) NOT NULL DEFAULT 0,       -- too small or blurred: asked about last, not used for training
  encoding VARBINARY(512) NULL,             -- 128 little-endian float32; NULL while waiting, or if dropped
  encoder VARCHAR(64) NULL,
  -- waiting -> encoded | failed (drawn faces); encoded -> dropped (file not in use) -> encoded (computed again);
  -- any -> gone (not found in the newest version of the file, but kept because of its answers)
  state ENUM('waiting', 'encoded', 'failed', 'dropped', 'gone') NOT NULL,
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL, -- of the bytes in which it was found or drawn
  lease_token BINARY(16) NULL,              -- claim of a worker that encodes a drawn face
  lease_worker VARCHAR(64) NULL,
  leased_at DATETIME NULL,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  KEY by_page (page_id),                    -- faces of a file
  KEY by_project (project_id, state)        -- drawn faces of a project; waiting ones
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE face_chips (
  face_id BIGINT UNSIGNED NOT NULL,
  jpeg MEDIUMBLOB NOT NULL,                 -- 150 px, shown on the pages
  PRIMARY KEY (face_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Answers of users, append-only. Undo sets withdrawn_at; nothing else changes a row.
CREATE TABLE answers (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  project_id BIGINT UNSIGNED NOT NULL,
  user_id BIGINT UNSIGNED NOT NULL,
  client_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- made by the client: idempotent
  step CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- answers of one key press, undone together
  page_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NULL,             -- NULL: about the file as a whole
  -- faces: target, other (another person), not_face, unsure, skip; files: shown (no face visible), not_shown, skip.
  -- A skip is no answer and belongs to its user: it puts the question last for them alone, and the other members are
  -- asked as if there were none. Nobody is asked first about a face that every member skipped.
  answer ENUM('target', 'other', 'not_face', 'unsure', 'skip', 'shown', 'not_shown') NOT NULL,
  twice TINYINT(1) NOT NULL DEFAULT 0,      -- with target: the picture shows the person more than once
  other_item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NULL, -- with other: the person, if named
  reason VARCHAR(32) NULL,                  -- the question's reason; or review, drawn
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL, -- of the bytes shown to the user
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  withdrawn_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY by_client (user_id, client_id),
  KEY by_file (project_id, page_id),        -- valid answers about a file
  KEY by_person (other_item),               -- questions for the projects about that person
  KEY by_project_user (project_id, user_id, withdrawn_at, id) -- undo: the newest valid one
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Derived from the valid answers and from bootstrap; rebuilt per file by store/labelling/labels.py.
CREATE TABLE labels (
  project_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  label ENUM('target', 'other', 'not_face', 'unsure') NOT NULL,
  -- human: answered about this face; implied: another face of the file is the target; bootstrap: only face of a file
  -- that Commons says depicts the person; portrait: only face of the image of P18
  source ENUM('human', 'implied', 'bootstrap', 'portrait') NOT NULL,
  answer_id BIGINT UNSIGNED NULL,
  suspended TINYINT(1) NOT NULL DEFAULT 0,  -- the file was overwritten since: ignored until answered again
  PRIMARY KEY (project_id, face_id),
  KEY by_file (project_id, page_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE predictions (
  project_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  distance FLOAT NULL,                      -- to the centroid of the confirmed faces
  probability FLOAT NULL,                   -- calibrated, that the face is of the person
  suggestion ENUM('match', 'no_match', 'unsure') NOT NULL, -- match: within the error budget
  run INT UNSIGNED NOT NULL,
  PRIMARY KEY (project_id, face_id),
  KEY by_suggestion (project_id, suggestion, probability, page_id), -- review: order, and counts from the index
  KEY by_distance (project_id, distance)    -- questions if none are ranked
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE questions (
  project_id BIGINT UNSIGNED NOT NULL,
  position SMALLINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NULL,             -- NULL: about the file as a whole
  reason VARCHAR(32) NOT NULL,              -- named, alike, unsure, unseen, spot_check, mistaken, first
  similar VARCHAR(120) NOT NULL DEFAULT '', -- comma-separated ids of the most similar confirmed faces
  run INT UNSIGNED NOT NULL,
  PRIMARY KEY (project_id, position)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Statements that may be written: approved by a member of the project, for the bytes that were shown.
CREATE TABLE approvals (
  project_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  face_id BIGINT UNSIGNED NULL,             -- NULL: approved for the file as a whole
  user_id BIGINT UNSIGNED NOT NULL,
  kind ENUM('alone', 'bulk') NOT NULL,      -- alone: derived from an answer; bulk: suggestions approved together
  step CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- bulk: made by the client; withdrawn together
  probability FLOAT NULL,                   -- of the model at that time
  prominent TINYINT(1) NOT NULL DEFAULT 0,  -- write the statement with rank preferred
  sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  suspended TINYINT(1) NOT NULL DEFAULT 0,  -- the file was overwritten since: not sent
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (project_id, page_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The ledger of past, current and queued edits (batches, edits). It is kept when its project is deleted.
CREATE TABLE batches (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  project_id BIGINT UNSIGNED NOT NULL,      -- no foreign key: kept when the project is deleted
  user_id BIGINT UNSIGNED NOT NULL,         -- the account that sends it
  hex CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- in the batch link of every summary
  -- send: add approved statements; undo: remove ours; removal: remove any rejected by a human; positions: add P2677
  kind ENUM('send', 'undo', 'removal', 'positions') NOT NULL DEFAULT 'send',
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  label VARCHAR(255) NOT NULL,
  -- running <-> paused (by a user, or because of pause_reason); running|paused -> stopped | done
  state ENUM('running', 'paused', 'stopped', 'done') NOT NULL DEFAULT 'running',
  pause_reason VARCHAR(64) NULL,            -- a reason key: sign_in, blocked, reverted, ...
  waiting_until DATETIME NULL,              -- the wiki makes the sender wait until then
  waiting_why VARCHAR(64) NULL,             -- maxlag, ratelimited, readonly, unreachable
  waiting_lag FLOAT NULL,                   -- seconds
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  finished_at DATETIME NULL,
  PRIMARY KEY (id),
  KEY by_user (user_id, state),             -- running batches of a user
  KEY by_project (project_id, id)           -- history
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE edits (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  batch_id BIGINT UNSIGNED NOT NULL,
  project_id BIGINT UNSIGNED NOT NULL,      -- no foreign key: kept when the project is deleted
  user_id BIGINT UNSIGNED NOT NULL,
  page_id BIGINT UNSIGNED NOT NULL,
  title VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  action ENUM('add', 'remove', 'qualify') NOT NULL,
  face_id BIGINT UNSIGNED NULL,
  probability FLOAT NULL,
  approved_by BIGINT UNSIGNED NULL,
  approved_sha1 CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  statement_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- add: our own GUID, stored before the request
  qualifier VARCHAR(120) NULL,              -- value of P2677
  prominent TINYINT(1) NOT NULL DEFAULT 0,
  forced TINYINT(1) NOT NULL DEFAULT 0,     -- remove: confirmed once more although others changed the statement
  undoes BIGINT UNSIGNED NULL,              -- the edit that this one undoes
  -- queued -> sending (maybe sent) -> done | already | failed | skipped | reverted; sending -> queued |
  -- cancelled (known not to be written); queued -> cancelled | skipped; done -> undone (by us) | reverted (by others);
  -- failed -> queued (retried by a user); reverted -> undone (a user asked to send it again)
  state ENUM('queued', 'sending', 'done', 'already', 'failed', 'skipped', 'cancelled', 'undone', 'reverted')
    NOT NULL DEFAULT 'queued',
  base_revision BIGINT UNSIGNED NULL,       -- sent with the request
  revision_id BIGINT UNSIGNED NULL,         -- of the edit, read back from the wiki
  attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  due_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  error VARCHAR(64) NULL,                   -- a reason key, which the pages translate
  error_detail VARCHAR(255) NULL,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  sent_at DATETIME NULL,
  finished_at DATETIME NULL,
  look_at DATETIME NULL,                    -- when to check for a revert (store/publishing/reverts.py); NULL: never
  PRIMARY KEY (id),
  KEY by_batch (batch_id, state),           -- progress; next edits
  KEY by_file (page_id, item, state),       -- open and written edits of a statement
  KEY by_project (project_id, state),       -- history, cancelling
  KEY by_user (user_id, state, due_at),     -- next edits of a user
  KEY to_look (look_at)                     -- additions to be checked for reverts
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One edit at a time per file, across projects and users: held while a request may be in flight.
CREATE TABLE file_locks (
  page_id BIGINT UNSIGNED NOT NULL,
  edit_id BIGINT UNSIGNED NOT NULL,
  lease_token BINARY(16) NOT NULL,
  lease_worker VARCHAR(64) NOT NULL,
  leased_at DATETIME NOT NULL,
  PRIMARY KEY (page_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Tasks for whole projects or users, and their leases. Detection leases are stored in files.
CREATE TABLE tasks (
  -- crawl, bootstrap, model, purge: subject is a project; publish: subject is a user
  kind ENUM('crawl', 'bootstrap', 'model', 'publish', 'purge') NOT NULL,
  subject_id BIGINT UNSIGNED NOT NULL,
  due_at DATETIME(3) NULL,                  -- NULL: not due
  wanted INT UNSIGNED NOT NULL DEFAULT 0,   -- raised by every request, so that one during a run causes another run
  rest_until DATETIME(3) NULL,              -- pause after a long run: requests with a delay are not due before
  hurried TINYINT(1) NOT NULL DEFAULT 0,    -- requested without a delay since the last claim: no rest after this run
  attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  error VARCHAR(64) NULL,
  error_detail VARCHAR(255) NULL,
  cursor_json MEDIUMTEXT NULL,              -- where an interrupted run continues
  lease_token BINARY(16) NULL,
  lease_worker VARCHAR(64) NULL,
  leased_at DATETIME NULL,
  PRIMARY KEY (kind, subject_id),
  KEY by_due (kind, due_at),                -- claims
  KEY by_lease_worker (lease_worker)        -- claims of a dead worker
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Wikidata items that were merged into others: the old id still identifies the same person.
CREATE TABLE merged_items (
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  target VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  found_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (item),
  KEY by_target (target)                    -- all items of the same person
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Items for which projects are not allowed, in addition to those of WIKIVISAGE_BLOCKED_ITEMS.
CREATE TABLE blocked_items (
  item VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason VARCHAR(255) NOT NULL DEFAULT '',
  added_by BIGINT UNSIGNED NULL,            -- administrator; NULL: a deleted account
  added_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (item)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Labels of items depicted in files. The row with language '' records when all labels of the item were read.
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
  networks_json TEXT NULL,                  -- JSON, network to why it is missing ('': ready); NULL: not known yet
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row: the counter is raised by transactions that queue work, and read every second by waiting workers.
CREATE TABLE signals (
  id TINYINT UNSIGNED NOT NULL,
  counter BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO signals (id, counter) VALUES (1, 0);
