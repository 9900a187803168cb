//! The schema's steps, from the first version on.

/// The step at index n migrates from version n to n + 1. A released step is never changed.
pub(in crate) const STEPS: &[&str] = &["
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE regions (id INTEGER PRIMARY KEY, code TEXT, name TEXT NOT NULL, name_en TEXT NOT NULL) STRICT;
    CREATE TABLE places (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        region INTEGER NOT NULL REFERENCES regions (id),
        name TEXT NOT NULL
    ) STRICT;
    -- Narrow, because all of it is read at each start. `tags` packs version, colour, basis and class.
    CREATE TABLE codes (id INTEGER PRIMARY KEY, tags INTEGER NOT NULL, next_change_s INTEGER NOT NULL) STRICT;
    CREATE INDEX codes_due ON codes (next_change_s) WHERE next_change_s > 0;
    -- Numbered as they come: rows are large, and codes are random.
    CREATE TABLE people (
        id INTEGER PRIMARY KEY,
        code INTEGER NOT NULL REFERENCES codes (id),
        document_hash BLOB NOT NULL,
        phone_hash BLOB NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX people_code ON people (code);
    CREATE UNIQUE INDEX people_document ON people (document_hash);
    CREATE INDEX people_phone ON people (phone_hash);
    CREATE TABLE devices (
        id INTEGER PRIMARY KEY,
        class INTEGER NOT NULL,
        name TEXT NOT NULL,
        all_places INTEGER NOT NULL,
        certificate_serial TEXT,
        not_after_s INTEGER NOT NULL,
        revoked INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE device_regions (
        device INTEGER NOT NULL REFERENCES devices (id),
        region INTEGER NOT NULL REFERENCES regions (id),
        PRIMARY KEY (device, region)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE device_places (
        device INTEGER NOT NULL REFERENCES devices (id),
        place INTEGER NOT NULL REFERENCES places (id),
        PRIMARY KEY (device, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE enrolments (
        token_hash BLOB PRIMARY KEY,
        device INTEGER NOT NULL REFERENCES devices (id),
        expires_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE imports (
        file_digest BLOB PRIMARY KEY,
        bytes_done INTEGER NOT NULL,
        lines_done INTEGER NOT NULL,
        people INTEGER NOT NULL,
        rejected INTEGER NOT NULL,
        rejects_bytes INTEGER NOT NULL,
        complete INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
", "
    ALTER TABLE devices ADD COLUMN previous_serial TEXT;
", "
    -- What a code rests on when no cause is in force; null until its holder has submitted a form here.
    ALTER TABLE people ADD COLUMN rest_basis INTEGER;
    CREATE TABLE causes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        code INTEGER NOT NULL REFERENCES codes (id),
        kind INTEGER NOT NULL,
        colour INTEGER NOT NULL,
        from_s INTEGER NOT NULL,
        until_s INTEGER NOT NULL,
        authority TEXT NOT NULL,
        policy TEXT NOT NULL,
        evidence BLOB,
        cleared_s INTEGER
    ) STRICT;
    CREATE INDEX causes_code ON causes (code);
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY,
        at_s INTEGER NOT NULL,
        subject BLOB NOT NULL,
        from_colour INTEGER NOT NULL,
        to_colour INTEGER NOT NULL,
        cause INTEGER REFERENCES causes (id),
        authority TEXT NOT NULL,
        operators TEXT NOT NULL,
        policy TEXT NOT NULL,
        leaf BLOB NOT NULL
    ) STRICT;
    -- `peaks`: the tree as far as it is signed, to go on from.
    CREATE TABLE checkpoints (
        size INTEGER PRIMARY KEY,
        root TEXT NOT NULL,
        at_s INTEGER NOT NULL,
        signature TEXT NOT NULL,
        peaks BLOB NOT NULL
    ) STRICT;
    CREATE INDEX decisions_subject ON decisions (subject);
    CREATE TABLE consents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        phone_hash BLOB NOT NULL,
        flow INTEGER NOT NULL,
        text TEXT NOT NULL,
        given_s INTEGER NOT NULL,
        state INTEGER NOT NULL,
        outcome BLOB
    ) STRICT;
    CREATE INDEX consents_outcome ON consents (given_s) WHERE outcome IS NOT NULL;
    CREATE TABLE stays (
        phone_hash BLOB PRIMARY KEY,
        sealed BLOB NOT NULL,
        until_s INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
", "
    CREATE TABLE operators (
        name TEXT PRIMARY KEY,
        authority TEXT NOT NULL,
        roles TEXT NOT NULL,
        public_key TEXT NOT NULL,
        revoked INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE orders (digest BLOB PRIMARY KEY, at_s INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE accesses (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_s INTEGER NOT NULL,
        subject BLOB NOT NULL,
        operators TEXT NOT NULL,
        act TEXT NOT NULL,
        case_id TEXT NOT NULL
    ) STRICT;
    CREATE INDEX accesses_subject ON accesses (subject);
", "
    -- When the holder last showed that phone and document are theirs; null for one who was imported and has not signed in yet.
    ALTER TABLE people ADD COLUMN proven_s INTEGER;
    -- The code of the guardian who answers for a ward; null for everybody else.
    ALTER TABLE people ADD COLUMN guardian INTEGER;
    CREATE INDEX people_guardian ON people (guardian) WHERE guardian IS NOT NULL;
    -- The number that may be asked for and how much staff may see, while a receipt of the consent may be shown at a gate.
    ALTER TABLE consents ADD COLUMN sealed_phone BLOB;
    ALTER TABLE consents ADD COLUMN detail INTEGER NOT NULL DEFAULT 1;
    -- When it was used up for a query; null until then.
    ALTER TABLE consents ADD COLUMN used_s INTEGER;
    -- When the query was answered, and what with: the kind of the outcome, no more.
    ALTER TABLE consents ADD COLUMN answered_s INTEGER;
    ALTER TABLE consents ADD COLUMN answer TEXT;
    -- What was sent to carriers for a consent: one logical query may take several.
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        consent INTEGER NOT NULL REFERENCES consents (id),
        carrier TEXT NOT NULL,
        outcome TEXT NOT NULL,
        took_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX attempts_consent ON attempts (consent);
    CREATE INDEX consents_phone ON consents (given_s) WHERE sealed_phone IS NOT NULL;
    -- What kind of place, and the ten characters of its printed code; null until one is printed.
    ALTER TABLE places ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE places ADD COLUMN link TEXT;
    CREATE UNIQUE INDEX places_link ON places (link) WHERE link IS NOT NULL;
    -- Workplaces, compounds, villages, buildings, vehicles that have applied for a code of their own.
    CREATE TABLE units (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        region INTEGER NOT NULL REFERENCES regions (id),
        kind INTEGER NOT NULL,
        name TEXT NOT NULL,
        applicant INTEGER NOT NULL,
        applied_s INTEGER NOT NULL,
        state INTEGER NOT NULL,
        operators TEXT NOT NULL DEFAULT '',
        decided_s INTEGER,
        place INTEGER REFERENCES places (id)
    ) STRICT;
    CREATE TABLE appeals (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        decision INTEGER NOT NULL REFERENCES decisions (id),
        subject BLOB NOT NULL,
        authority TEXT NOT NULL,
        sealed BLOB NOT NULL,
        made_s INTEGER NOT NULL,
        due_s INTEGER NOT NULL,
        answered_s INTEGER,
        answered_by TEXT,
        granted INTEGER,
        answer BLOB
    ) STRICT;
    CREATE INDEX appeals_open ON appeals (due_s) WHERE answered_s IS NULL;
    CREATE INDEX appeals_subject ON appeals (subject);
    CREATE UNIQUE INDEX appeals_one_open ON appeals (decision) WHERE answered_s IS NULL;
    -- How much each operator has looked at: quotas and alarms rest on it.
    CREATE TABLE lookups (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_s INTEGER NOT NULL,
        operator TEXT NOT NULL,
        lookup TEXT NOT NULL,
        people INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX lookups_at ON lookups (at_s, operator);
    -- Causes by hand, by when they were set: a burst of them is an alarm. The numbers are those of their kinds.
    CREATE INDEX causes_by_hand ON causes (from_s) WHERE kind IN (3, 4, 5);
    -- The hash of the sealed evidence of the cause; empty if it has none.
    ALTER TABLE decisions ADD COLUMN evidence TEXT NOT NULL DEFAULT '';
    CREATE INDEX causes_open ON causes (code, until_s) WHERE cleared_s IS NULL;
    CREATE INDEX causes_evidence ON causes (until_s, cleared_s) WHERE evidence IS NOT NULL;
    -- Every policy that was ever in effect, the newest last.
    CREATE TABLE policies (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        version TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL,
        activated_s INTEGER NOT NULL,
        operators TEXT NOT NULL
    ) STRICT;
    -- Documents that were tried with a phone that day, right or wrong.
    CREATE TABLE document_tries (
        phone_hash BLOB PRIMARY KEY,
        day INTEGER NOT NULL,
        tries INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX document_tries_day ON document_tries (day);
    -- Codes of which printed tokens made before that moment are withdrawn.
    CREATE TABLE papers (code INTEGER PRIMARY KEY, good_from_s INTEGER NOT NULL) STRICT;
    -- Causes in force of people who withdrew: whoever applies with that document has them again. Gone when they end.
    CREATE TABLE leftovers (
        cause INTEGER PRIMARY KEY REFERENCES causes (id),
        document_hash BLOB NOT NULL,
        until_s INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX leftovers_document ON leftovers (document_hash);
    CREATE INDEX leftovers_until ON leftovers (until_s);
    CREATE INDEX decisions_cause ON decisions (cause) WHERE cause IS NOT NULL;
    CREATE INDEX stays_until ON stays (until_s);
    CREATE INDEX consents_holder ON consents (phone_hash);
    CREATE INDEX units_open ON units (state);
    -- Shifts of staff with a phone at a place: invited by operators, joined once with the token of that hash, over at `expires_s`.
    CREATE TABLE staff_sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        token_hash BLOB NOT NULL UNIQUE,
        place INTEGER NOT NULL REFERENCES places (id),
        name TEXT NOT NULL,
        operators TEXT NOT NULL,
        made_s INTEGER NOT NULL,
        expires_s INTEGER NOT NULL,
        joined_s INTEGER,
        revoked INTEGER NOT NULL DEFAULT 0
    ) STRICT;
", "
    -- People who left something behind when they withdrew or took another phone. Until that ends nobody else applies with the document,
    -- and whoever applies with the phone, before its number may be somebody else's, is taken for them.
    CREATE TABLE departures (
        document_hash BLOB NOT NULL,
        phone_hash BLOB NOT NULL,
        until_s INTEGER NOT NULL,
        phone_until_s INTEGER NOT NULL,
        moved INTEGER NOT NULL,
        PRIMARY KEY (document_hash, phone_hash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX departures_phone ON departures (phone_hash);
    CREATE INDEX departures_until ON departures (until_s);
    -- With which phone earlier ones left is not known.
    INSERT INTO departures SELECT document_hash, x'', max(until_s), 0, 0 FROM leftovers GROUP BY document_hash;
    -- Of a phone, or of one session, what was proven before that moment is worth nothing.
    CREATE TABLE sign_outs (mark BLOB PRIMARY KEY, good_from_s INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX sign_outs_old ON sign_outs (good_from_s);
    CREATE INDEX codes_gone ON codes (id) WHERE tags = 0;
    -- What was not known before a cause by hand is not known after it. 4: unknown, 3: nothing.
    UPDATE people SET rest_basis = 3 WHERE rest_basis IS NULL AND code IN
        (SELECT causes.code FROM decisions JOIN causes ON causes.id = decisions.cause WHERE from_colour = 4);
    -- Fields that were sealed without their column, and documents that were hashed with their kind, are written anew in parts.
    -- Answers of half an hour are asked for again.
    UPDATE consents SET outcome = NULL, sealed_phone = NULL WHERE outcome IS NOT NULL OR sealed_phone IS NOT NULL;
    INSERT INTO meta VALUES ('reseal-cursor', 'all');
", "
    -- Roots of whole subtrees over decisions: the one at `place` is over 2^level of them, from place * 2^level on.
    CREATE TABLE nodes (
        level INTEGER NOT NULL,
        place INTEGER NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (level, place)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE checkpoints DROP COLUMN peaks;
    -- How many consents were forgotten when their time was over, and what was sent for them: one row, and one for each carrier.
    CREATE INDEX consents_given ON consents (given_s);
    CREATE TABLE past_consents (
        consents INTEGER NOT NULL,
        used INTEGER NOT NULL,
        withdrawn INTEGER NOT NULL,
        answered INTEGER NOT NULL,
        unavailable INTEGER NOT NULL
    ) STRICT;
    INSERT INTO past_consents VALUES (0, 0, 0, 0, 0);
    CREATE TABLE past_attempts (carrier TEXT PRIMARY KEY, attempts INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX enrolments_until ON enrolments (expires_s);
    CREATE INDEX units_applicant ON units (applicant);
    CREATE INDEX causes_evidence_cleared ON causes (cleared_s) WHERE evidence IS NOT NULL AND cleared_s IS NOT NULL;
", "
    -- What orders name this gateway by.
    INSERT INTO meta (name, value) VALUES ('gateway-id', lower(hex(randomblob(16))));
    DROP TABLE orders;
    -- Orders that were accepted, and how they ended. `chain` is over all entries up to this one, `sealed` the act until it is forgotten.
    CREATE TABLE order_log (
        id INTEGER PRIMARY KEY,
        recorded_s INTEGER NOT NULL,
        entry TEXT NOT NULL,
        commitment TEXT UNIQUE,
        sealed BLOB,
        chain BLOB NOT NULL,
        signature TEXT NOT NULL
    ) STRICT;
    CREATE INDEX order_log_sealed ON order_log (recorded_s) WHERE sealed IS NOT NULL;
", "
    -- When holders withdrew, by the code that they had: what they left behind ends by it. Of earlier releases it is not known.
    CREATE TABLE withdrawals (code INTEGER PRIMARY KEY REFERENCES codes (id), at_s INTEGER NOT NULL) STRICT;
", "
    -- Whom a consent is for: null for the phone's owner, else a ward's code, 0 until the ward has one. And when staff scanned its receipt.
    ALTER TABLE consents ADD COLUMN ward INTEGER;
    ALTER TABLE consents ADD COLUMN scanned_s INTEGER;
    -- The hash of phone and stay: the evidence on which causes of several codes may rest. Null in rows of before.
    ALTER TABLE causes ADD COLUMN rests_on BLOB;
    CREATE INDEX causes_rests_on ON causes (rests_on) WHERE rests_on IS NOT NULL;
    ALTER TABLE stays ADD COLUMN rests_on BLOB;
    CREATE INDEX stays_rests_on ON stays (rests_on) WHERE rests_on IS NOT NULL;
    CREATE INDEX consents_ward ON consents (ward) WHERE ward > 0;
", "
    -- Lines of an import whose people were there already.
    ALTER TABLE imports ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
", "
    -- Looks at a document's end were kept with place, shift and second, which outlived the passage that they tell of: the city's day is left.
    UPDATE accesses SET at_s = (at_s + 28800) / 86400 * 86400 - 28800, operators = '查验岗位人员 staff of a checkpoint', case_id = 'scan'
        WHERE act = 'document' AND case_id LIKE 'shift-%';
", "
    -- Those of them who are otherwise on record than in the file, which are not among the known.
    ALTER TABLE imports ADD COLUMN differing INTEGER NOT NULL DEFAULT 0;
", "
    -- A table of devices is compared with those on record by their names, and its tokens replace earlier ones of their devices.
    CREATE INDEX devices_name ON devices (name);
    CREATE INDEX enrolments_device ON enrolments (device);
"];
