-- A store of schema 2 as that version leaves it when it is killed: see store_sample.py.
PRAGMA application_id = 1111573575;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE attempts (
            event      INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
            number     INTEGER NOT NULL,
            started_at REAL NOT NULL,
            ended_at   REAL,
            result     TEXT NOT NULL DEFAULT 'working',
            reason     TEXT NOT NULL DEFAULT '',
            asked      TEXT NOT NULL DEFAULT '[]',     -- JSON
            outcomes   TEXT NOT NULL DEFAULT '[]',     -- JSON
            rules_hash TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (event, number)
        ) WITHOUT ROWID
        ;
INSERT INTO "attempts" VALUES(1,1,1790000001.0,1790000002.0,'done','','[{"method":"crm.activity.badge.get","answer":"ok","milliseconds":120.5}]','[{"rule":"missed call","result":"ensured","badge":"bb_missedCall","portal":"main","reason":"","attempt":1}]','0123456789abcdef');
INSERT INTO "attempts" VALUES(2,1,1790000002.0,1790000003.0,'ignored','no rule is for note.made from pbx','[]','[]','0123456789abcdef');
INSERT INTO "attempts" VALUES(3,1,1790000003.0,1790000004.0,'waiting','portal main: ERROR_CORE','[{"method":"crm.activity.badge.get","answer":"ERROR_CORE","milliseconds":80.0}]','[]','0123456789abcdef');
INSERT INTO "attempts" VALUES(3,2,1790000011.0,1790000012.0,'dead','portal main refuses the title','[]','[{"rule":"missed call","result":"failed","badge":"bb_missedCall","portal":"main","reason":"refused","attempt":2}]','0123456789abcdef');
INSERT INTO "attempts" VALUES(4,1,1790000004.0,1790000005.0,'waiting','portal main: INTERNAL_SERVER_ERROR','[{"method":"crm.activity.badge.get","answer":"ok","milliseconds":120.5}]','[]','0123456789abcdef');
INSERT INTO "attempts" VALUES(5,1,1790000005.0,1790000006.0,'waiting','portal main is paused','[]','[]','0123456789abcdef');
INSERT INTO "attempts" VALUES(7,1,1790000022.0,NULL,'working','','[]','[]','');
CREATE TABLE events (
            id            INTEGER PRIMARY KEY,
            key           TEXT NOT NULL UNIQUE,
            source        TEXT NOT NULL,
            type          TEXT NOT NULL,
            verified      TEXT NOT NULL,
            received_at   REAL NOT NULL,
            state         TEXT NOT NULL DEFAULT 'waiting'
                          CHECK (state IN ('waiting', 'working', 'done', 'ignored', 'dead')),
            reason        TEXT NOT NULL DEFAULT '',
            attempts      INTEGER NOT NULL DEFAULT 0,
            failures      INTEGER NOT NULL DEFAULT 0,
            since_attempt INTEGER NOT NULL DEFAULT 0,  -- attempts before the last redrive
            due           REAL NOT NULL,
            ready         INTEGER DEFAULT 1,           -- waiting: 1 once its time has come, else 0; NULL otherwise
            lane          TEXT NOT NULL DEFAULT '',    -- waiting: for this lane; working: probes this lane
            lease_token   TEXT,
            leased_until  REAL,                        -- working only
            settled_at    REAL,
            rules_hash    TEXT NOT NULL DEFAULT '',
            event         TEXT NOT NULL                -- JSON; last, so that nothing has to read past it
        );
INSERT INTO "events" VALUES(1,'pbx:1fafec6d002205f1c09163da175441c1','pbx','call.missed','bearer token',1790000000.0,'done','',1,0,0,1790000000.0,NULL,'',NULL,NULL,1790000002.0,'0123456789abcdef','{"id":"done","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000001","callee":"","line":"","duration":null,"email":"","data":{"id":"done","outcome":"missed","from":"+493023125000001"}}');
INSERT INTO "events" VALUES(2,'pbx:f441faa018cc7e740a87b7c59176bc61','pbx','note.made','bearer token',1790000001.0,'ignored','no rule is for note.made from pbx',1,0,0,1790000001.0,NULL,'',NULL,NULL,1790000003.0,'0123456789abcdef','{"id":"ignored","source":"pbx","provider":"generic","type":"note.made","time":"2026-09-21T14:13:20Z","subject":"","direction":"","outcome":"","reason":"","caller":"","callee":"","line":"","duration":null,"email":"","data":{"text":"Grüße 📞","nul":"a\u0000b"}}');
INSERT INTO "events" VALUES(3,'pbx:d83b2783bf18c3ff097081ee626bc737','pbx','call.missed','bearer token',1790000002.0,'dead','portal main refuses the title',2,2,0,1790000010.0,NULL,'',NULL,NULL,1790000012.0,'0123456789abcdef','{"id":"dead","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000002","callee":"","line":"","duration":null,"email":"","data":{"id":"dead","outcome":"missed","from":"+493023125000002"}}');
INSERT INTO "events" VALUES(4,'pbx:10c6c88ccb68fd54725da4a2a3df4a01','pbx','call.missed','bearer token',1790000003.0,'waiting','portal main: INTERNAL_SERVER_ERROR',1,1,0,1790000125.0,0,'',NULL,NULL,NULL,'0123456789abcdef','{"id":"retry","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000003","callee":"","line":"","duration":null,"email":"","data":{"id":"retry","outcome":"missed","from":"+493023125000003"}}');
INSERT INTO "events" VALUES(5,'pbx:4c74a8027ee67b960864d8ec04eaa66a','pbx','call.missed','bearer token',1790000004.0,'waiting','portal main is paused',1,0,0,0.0,1,'main',NULL,NULL,NULL,'0123456789abcdef','{"id":"paused","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000004","callee":"","line":"","duration":null,"email":"","data":{"id":"paused","outcome":"missed","from":"+493023125000004"}}');
INSERT INTO "events" VALUES(6,'pbx:2c518ce36b54e45ef8e06984e80da6cd','pbx','call.missed','bearer token',1790000005.0,'waiting','',0,0,0,1790000005.0,1,'',NULL,NULL,NULL,'','{"id":"fresh","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000005","callee":"","line":"","duration":null,"email":"","data":{"id":"fresh","outcome":"missed","from":"+493023125000005"}}');
INSERT INTO "events" VALUES(7,'pbx:f8e9159aa039f148c410444164954d86','pbx','call.missed','bearer token',1790000021.0,'working','',1,0,0,1790000021.0,NULL,'','token-7',1790000112.0,NULL,'','{"id":"working","source":"pbx","provider":"generic","type":"call.missed","time":"2026-09-21T14:13:20Z","subject":"","direction":"inbound","outcome":"missed","reason":"","caller":"+493023125000009","callee":"","line":"","duration":null,"email":"","data":{"id":"working","outcome":"missed","from":"+493023125000009"}}');
CREATE TABLE pauses (
            lane       TEXT PRIMARY KEY NOT NULL,
            until      REAL NOT NULL,
            failures   INTEGER NOT NULL,
            reason     TEXT NOT NULL,
            held_until REAL NOT NULL DEFAULT 0         -- until then somebody holds the probe
        ) WITHOUT ROWID
        ;
INSERT INTO "pauses" VALUES('main',1790000600.0,1,'portal main cannot be reached',0.0);
CREATE TABLE trial (id INTEGER PRIMARY KEY CHECK (id = 1), ballast BLOB NOT NULL);
CREATE INDEX events_ready ON events (lane, received_at, key) WHERE ready = 1;
CREATE INDEX events_later ON events (lane, due) WHERE ready = 0;
CREATE INDEX events_leased ON events (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX events_by_time ON events (received_at, key);
CREATE INDEX events_by_state ON events (state, received_at, key);
CREATE INDEX events_by_source ON events (source, received_at, key);
CREATE INDEX events_by_type ON events (type, received_at, key);
COMMIT;
