-- A store of schema 10 as that version leaves it when it is killed: see store_sample.py.
PRAGMA application_id = 1111573575;
PRAGMA user_version = 10;
BEGIN TRANSACTION;
CREATE TABLE attachments (
            key        TEXT NOT NULL,
            rule       TEXT NOT NULL,
            portal     TEXT NOT NULL,
            badge      TEXT NOT NULL,
            owner_type INTEGER NOT NULL,
            owner_id   INTEGER NOT NULL,
            time       REAL NOT NULL,
            join_value TEXT NOT NULL,
            activity   INTEGER,                        -- NULL: maybe added
            sent_at    REAL,
            closed_at  REAL,
            content    TEXT NOT NULL, customer TEXT NOT NULL DEFAULT '', taken_back INTEGER NOT NULL DEFAULT 0,                  -- JSON; last, so that nothing has to read past it
            PRIMARY KEY (key, rule)
        );
INSERT INTO "attachments" VALUES('pbx:1fafec6d002205f1c09163da175441c1','missed call','main','bb_missedCall',2,1001,1790000000.0,'customer
+493023125000001',9001,NULL,NULL,'{"fields":{"badgeCode":"bb_missedCall","completed":"N","isIncomingChannel":"Y","originatorId":"badge-bridge","originId":"f27f292d9289f773aaa9cee1d44c60af","responsibleId":1},"layout":{"icon":{"code":"call"},"header":{"title":"Missed call from +493023125000001"},"body":{"logo":{"code":"call-incoming"},"blocks":{"caller":{"type":"withTitle","properties":{"title":"Caller","block":{"type":"text","properties":{"value":"+493023125000001"}}}},"time":{"type":"withTitle","properties":{"title":"Time","block":{"type":"text","properties":{"value":"2026-09-21 14:13 UTC"}}}}}},"footer":{"buttons":{"callBack":{"title":"Call back","type":"primary","action":{"type":"redirect","uri":"tel:+493023125000001"}}}}}}','+493023125000001',0);
INSERT INTO "attachments" VALUES('pbx:99a5c893fb678c23dc37746c00efbe4d','missed call','main','bb_missedCall',2,1007,1790000000.0,'customer
+493023125000007',9003,NULL,1790000009.0,'{"fields":{"badgeCode":"bb_missedCall","completed":"N","isIncomingChannel":"Y","originatorId":"badge-bridge","originId":"4dc96dcd8a7ca1ecb930281800d56142","responsibleId":1},"layout":{"icon":{"code":"call"},"header":{"title":"Missed call from +493023125000007"},"body":{"logo":{"code":"call-incoming"},"blocks":{"caller":{"type":"withTitle","properties":{"title":"Caller","block":{"type":"text","properties":{"value":"+493023125000007"}}}},"time":{"type":"withTitle","properties":{"title":"Time","block":{"type":"text","properties":{"value":"2026-09-21 14:13 UTC"}}}}}},"footer":{"buttons":{"callBack":{"title":"Call back","type":"primary","action":{"type":"redirect","uri":"tel:+493023125000007"}}}}}}','+493023125000007',0);
INSERT INTO "attachments" VALUES('pbx:9777e0f5e42209dc8372ba6370774ea3','missed call','main','bb_missedCall',2,1006,1790000000.0,'customer
+493023125000006',NULL,1790000008.0,NULL,'{"fields":{"badgeCode":"bb_missedCall","completed":"N","isIncomingChannel":"Y","originatorId":"badge-bridge","originId":"ab2e75e370a66116321d604f06c18175","responsibleId":1},"layout":{"icon":{"code":"call"},"header":{"title":"Missed call from +493023125000006"},"body":{"logo":{"code":"call-incoming"},"blocks":{"caller":{"type":"withTitle","properties":{"title":"Caller","block":{"type":"text","properties":{"value":"+493023125000006"}}}},"time":{"type":"withTitle","properties":{"title":"Time","block":{"type":"text","properties":{"value":"2026-09-21 14:13 UTC"}}}}}},"footer":{"buttons":{"callBack":{"title":"Call back","type":"primary","action":{"type":"redirect","uri":"tel:+493023125000006"}}}}}}','+493023125000006',0);
CREATE TABLE attempts (
            event      INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
            number     INTEGER NOT NULL,
            started_at REAL NOT NULL,
            ended_at   REAL,
            result     TEXT NOT NULL DEFAULT 'working',
            reason     TEXT NOT NULL DEFAULT '',
            asked      TEXT NOT NULL DEFAULT '[]',     -- JSON
            outcomes   TEXT NOT NULL DEFAULT '[]',     -- JSON
            rules_hash TEXT NOT NULL DEFAULT '', redriven TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (event, number)
        ) WITHOUT ROWID
        ;
INSERT INTO "attempts" VALUES(1,1,1790000001.0,1790000002.0,'done','','[{"method":"crm.activity.badge.get","about":"","answer":"ok","said":"","milliseconds":120.5,"together":1}]','[{"rule":"missed call","result":"badged","role":"act","badge":"bb_missedCall","portal":"main","owner":"deal 1001","activity":9001,"reason":"","attempt":1}]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(2,1,1790000002.0,1790000003.0,'ignored','no rule is for note.made from pbx','[]','[]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(3,1,1790000003.0,1790000004.0,'waiting','portal main: ERROR_CORE','[{"method":"crm.activity.badge.get","about":"","answer":"timeout","said":"","milliseconds":120.5,"together":1}]','[]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(3,2,1790000011.0,1790000012.0,'dead','the portal refuses the title','[]','[{"rule":"missed call","result":"failed","role":"act","badge":"bb_missedCall","portal":"main","owner":"","activity":null,"reason":"refused","attempt":2}]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(4,1,1790000008.0,1790000009.0,'done','','[{"method":"crm.activity.badge.get","about":"","answer":"ok","said":"","milliseconds":120.5,"together":1}]','[{"rule":"missed call","result":"badged","role":"act","badge":"bb_missedCall","portal":"main","owner":"deal 1007","activity":9003,"reason":"","attempt":1}]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(5,1,1790000004.0,1790000005.0,'waiting','portal main: no connection','[{"method":"crm.activity.badge.get","about":"","answer":"timeout","said":"","milliseconds":120.5,"together":1}]','[]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(6,1,1790000005.0,1790000006.0,'waiting','portal main is paused','[]','[]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(8,1,1790000007.0,1790000008.0,'waiting','portal main: no answer','[{"method":"crm.activity.badge.get","about":"","answer":"timeout","said":"","milliseconds":120.5,"together":1}]','[]','0123456789abcdef','');
INSERT INTO "attempts" VALUES(11,1,1790000022.0,NULL,'working','','[]','[]','','');
CREATE TABLE buckets (
            name     TEXT PRIMARY KEY NOT NULL,
            requests REAL NOT NULL,
            at       REAL NOT NULL                     -- it held so many then, and has been draining since
        ) WITHOUT ROWID
        ;
INSERT INTO "buckets" VALUES('main',1.0,1790000009.0);
CREATE TABLE calls (
            value  TEXT PRIMARY KEY NOT NULL,          -- the one of `joins` by which the legs find each other
            legs   INTEGER NOT NULL,
            keeper TEXT NOT NULL,                      -- key of the leg that others are left to while it waits
            stage  INTEGER NOT NULL                    -- see `store.legs`
        ) WITHOUT ROWID
        ;
INSERT INTO "calls" VALUES('call
phones
7',2,'phones:388f50c2973eb0223f04e531bd36a552',1);
CREATE TABLE "events" (
    id            INTEGER PRIMARY KEY,
    key           TEXT NOT NULL UNIQUE,
    source        TEXT NOT NULL,
    type          TEXT NOT NULL,
    verified      TEXT NOT NULL,
    received_at   REAL NOT NULL,
    state         TEXT NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'working', 'done', 'ignored', 'joined', 'dead')),
    reason        TEXT NOT NULL DEFAULT '',
    attempts      INTEGER NOT NULL DEFAULT 0,
    failures      INTEGER NOT NULL DEFAULT 0,
    since_attempt INTEGER NOT NULL DEFAULT 0,  -- attempts before the last redrive, or the last revision
    due           REAL NOT NULL,
    ready         INTEGER DEFAULT 1,           -- waiting: 1 once its time has come, else 0; NULL otherwise
    lane          TEXT NOT NULL DEFAULT '',    -- waiting: for this lane; working: probes this lane
    lease_token   TEXT,
    leased_until  REAL,                        -- working only
    settled_at    REAL,
    rules_hash    TEXT NOT NULL DEFAULT '',
    revision      INTEGER NOT NULL DEFAULT 0,  -- that the content was written with; 0 where it was accepted as it is
    event         TEXT NOT NULL                -- JSON; last, so that nothing has to read past it
, redriven_with TEXT NOT NULL DEFAULT '');
INSERT INTO "events" VALUES(1,'pbx:1fafec6d002205f1c09163da175441c1','pbx','call.missed','bearer token',1790000000.0,'done','',1,0,0,1790000000.0,NULL,'',NULL,NULL,1790000002.0,'0123456789abcdef',0,'{"id":"done","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000001","callee":"","line":"","duration":null,"email":"","data":{"id":"done","from":"+493023125000001"},"leg":null}','');
INSERT INTO "events" VALUES(2,'pbx:f441faa018cc7e740a87b7c59176bc61','pbx','note.made','bearer token',1790000001.0,'ignored','no rule is for note.made from pbx',1,0,0,1790000001.0,NULL,'',NULL,NULL,1790000003.0,'0123456789abcdef',0,'{"id":"ignored","source":"pbx","provider":"generic","type":"note.made","time":"2026-09-21T14:13:20Z","subject":"","direction":"","outcome":"","reason":"","caller":"","callee":"","line":"","duration":null,"email":"","data":{"text":"Grüße 📞","nul":"a\u0000b"},"leg":null}','');
INSERT INTO "events" VALUES(3,'pbx:d83b2783bf18c3ff097081ee626bc737','pbx','call.missed','bearer token',1790000002.0,'dead','the portal refuses the title',2,2,0,1790000010.0,NULL,'',NULL,NULL,1790000012.0,'0123456789abcdef',0,'{"id":"dead","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000002","callee":"","line":"","duration":null,"email":"","data":{"id":"dead","from":"+493023125000002"},"leg":null}','');
INSERT INTO "events" VALUES(4,'pbx:99a5c893fb678c23dc37746c00efbe4d','pbx','call.missed','bearer token',1790000007.0,'done','',1,0,0,1790000007.0,NULL,'',NULL,NULL,1790000009.0,'0123456789abcdef',0,'{"id":"cleared","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000007","callee":"","line":"","duration":null,"email":"","data":{"id":"cleared","from":"+493023125000007"},"leg":null}','');
INSERT INTO "events" VALUES(5,'pbx:10c6c88ccb68fd54725da4a2a3df4a01','pbx','call.missed','bearer token',1790000003.0,'waiting','portal main: no connection',1,1,0,1790000125.0,0,'',NULL,NULL,NULL,'0123456789abcdef',0,'{"id":"retry","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000003","callee":"","line":"","duration":null,"email":"","data":{"id":"retry","from":"+493023125000003"},"leg":null}','');
INSERT INTO "events" VALUES(6,'pbx:4c74a8027ee67b960864d8ec04eaa66a','pbx','call.missed','bearer token',1790000004.0,'waiting','portal main is paused',1,0,0,0.0,1,'main',NULL,NULL,NULL,'0123456789abcdef',0,'{"id":"paused","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000004","callee":"","line":"","duration":null,"email":"","data":{"id":"paused","from":"+493023125000004"},"leg":null}','');
INSERT INTO "events" VALUES(7,'pbx:2c518ce36b54e45ef8e06984e80da6cd','pbx','call.missed','bearer token',1790000005.0,'waiting','',0,0,0,1790000005.0,1,'',NULL,NULL,NULL,'',0,'{"id":"fresh","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000005","callee":"","line":"","duration":null,"email":"","data":{"id":"fresh","from":"+493023125000005"},"leg":null}','');
INSERT INTO "events" VALUES(8,'pbx:9777e0f5e42209dc8372ba6370774ea3','pbx','call.missed','bearer token',1790000006.0,'waiting','portal main: no answer',1,1,0,1790000013.0,0,'',NULL,NULL,NULL,'0123456789abcdef',0,'{"id":"doubtful","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000006","callee":"","line":"","duration":null,"email":"","data":{"id":"doubtful","from":"+493023125000006"},"leg":null}','');
INSERT INTO "events" VALUES(9,'phones:388f50c2973eb0223f04e531bd36a552','phones','call.leg','hmac-sha256',1790000008.0,'waiting','waits for the call''s end',0,0,0,1790000025.0,0,'',NULL,NULL,NULL,'',0,'{"id":"rings","source":"phones","provider":"zoom","type":"call.leg","time":"2026-09-21T14:13:28Z","subject":"","direction":"inbound","outcome":"","reason":"","caller":"+493023125000008","callee":"+4930901821","line":"+4930901821","duration":null,"email":"","data":{},"leg":{"call":"7","leg":"rings","party":"agent","state":"ringing","outcome":"","detail":"","ends":"","human":false,"human_if_outbound":false,"rings_on":0.0,"tells_all":false,"final":false,"order":null}}','');
INSERT INTO "events" VALUES(10,'phones:7757b64936a3456d807c06aeb9aa2a11','phones','call.leg','hmac-sha256',1790000020.0,'joined','left to another leg of the call, to be judged in phones:efc14ad025cdb0213fa1fbebceb20b9b',0,0,0,1790000020.0,NULL,'',NULL,NULL,1790000020.0,'',0,'{"id":"ends","source":"phones","provider":"zoom","type":"call.leg","time":"2026-09-21T14:13:40Z","subject":"","direction":"inbound","outcome":"","reason":"","caller":"+493023125000008","callee":"+4930901821","line":"+4930901821","duration":null,"email":"","data":{},"leg":{"call":"7","leg":"ends","party":"agent","state":"ended","outcome":"no_answer","detail":"","ends":"call","human":false,"human_if_outbound":false,"rings_on":0.0,"tells_all":false,"final":false,"order":null}}','');
INSERT INTO "events" VALUES(11,'pbx:f8e9159aa039f148c410444164954d86','pbx','call.missed','bearer token',1790000021.0,'working','',1,0,0,1790000021.0,NULL,'','token-9',1790000112.0,NULL,'',0,'{"id":"working","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000009","callee":"","line":"","duration":null,"email":"","data":{"id":"working","from":"+493023125000009"},"leg":null}','');
CREATE TABLE holds (name TEXT PRIMARY KEY NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
INSERT INTO "holds" VALUES('oauth/elsewhere','gone',1790000069.0);
CREATE TABLE "joins" (
            day   INTEGER NOT NULL,                    -- of `time`, from 1970
            value TEXT NOT NULL,
            time  REAL NOT NULL,                       -- when the event happened
            key   TEXT NOT NULL,
            PRIMARY KEY (day, value, time, key)
        ) WITHOUT ROWID
        ;
INSERT INTO "joins" VALUES(20717,'call
phones
7',1790000008.0,'phones:388f50c2973eb0223f04e531bd36a552');
INSERT INTO "joins" VALUES(20717,'call
phones
7',1790000020.0,'phones:7757b64936a3456d807c06aeb9aa2a11');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000001',1790000000.0,'pbx:1fafec6d002205f1c09163da175441c1');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000002',1790000000.0,'pbx:d83b2783bf18c3ff097081ee626bc737');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000003',1790000000.0,'pbx:10c6c88ccb68fd54725da4a2a3df4a01');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000004',1790000000.0,'pbx:4c74a8027ee67b960864d8ec04eaa66a');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000005',1790000000.0,'pbx:2c518ce36b54e45ef8e06984e80da6cd');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000006',1790000000.0,'pbx:9777e0f5e42209dc8372ba6370774ea3');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000007',1790000000.0,'pbx:99a5c893fb678c23dc37746c00efbe4d');
INSERT INTO "joins" VALUES(20717,'customer
+493023125000009',1790000000.0,'pbx:f8e9159aa039f148c410444164954d86');
CREATE TABLE notes (name TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL);
INSERT INTO "notes" VALUES('remembering',1,'5576faf51e554db8926c03658e5b2bebd805a6c3a3fba654601a092f42035218');
INSERT INTO "notes" VALUES('oauth/elsewhere',2,'gAAAAA-encrypted-anew');
CREATE TABLE outcomes (
            rule        TEXT NOT NULL,
            result      TEXT NOT NULL,                 -- the latest of this rule, in one of its roles
            received_at REAL NOT NULL,                 -- the event's, as its key
            key         TEXT NOT NULL,
            PRIMARY KEY (rule, result, received_at, key)
        ) WITHOUT ROWID
        ;
INSERT INTO "outcomes" VALUES('missed call','badged',1790000000.0,'pbx:1fafec6d002205f1c09163da175441c1');
INSERT INTO "outcomes" VALUES('missed call','badged',1790000007.0,'pbx:99a5c893fb678c23dc37746c00efbe4d');
INSERT INTO "outcomes" VALUES('missed call','failed',1790000002.0,'pbx:d83b2783bf18c3ff097081ee626bc737');
CREATE TABLE pauses (
            lane       TEXT PRIMARY KEY NOT NULL,
            until      REAL NOT NULL,
            failures   INTEGER NOT NULL,
            reason     TEXT NOT NULL,
            held_until REAL NOT NULL DEFAULT 0         -- until then somebody holds the probe
        ) WITHOUT ROWID
        ;
INSERT INTO "pauses" VALUES('main',1790000600.0,1,'portal main cannot be reached',0.0);
CREATE TABLE remembered (
            source TEXT NOT NULL,
            hash   BLOB NOT NULL,
            PRIMARY KEY (source, hash)
        ) WITHOUT ROWID
        ;
CREATE TABLE stamp (id INTEGER PRIMARY KEY CHECK (id = 1), stamp TEXT NOT NULL);
INSERT INTO "stamp" VALUES(1,'93772ee49f843e0e0e3351e233b814b5');
CREATE TABLE trial (id INTEGER PRIMARY KEY CHECK (id = 1), ballast BLOB NOT NULL);
CREATE INDEX attachments_open ON attachments (join_value, time, key, rule)
        WHERE closed_at IS NULL AND activity IS NOT NULL AND join_value <> ''
        ;
CREATE INDEX events_ready ON events (lane, received_at, key) WHERE ready = 1;
CREATE INDEX events_later ON events (lane, due) WHERE ready = 0;
CREATE INDEX events_leased ON events (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX events_by_time ON events (received_at, key);
CREATE INDEX events_by_state ON events (state, received_at, key);
CREATE INDEX events_by_source ON events (source, received_at, key);
CREATE INDEX events_by_type ON events (type, received_at, key);
CREATE INDEX events_ended ON events (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX attachments_closed ON attachments (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX attachments_by_badge ON attachments (portal, badge, time, activity) WHERE activity IS NOT NULL
        ;
COMMIT;
