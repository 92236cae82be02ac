-- Paths with server errors, by ten seconds. Windows without errors write no row.
CREATE OR REPLACE STREAM "requests" ("path" VARCHAR(64), "status" INTEGER, "ms" DOUBLE);

CREATE OR REPLACE STREAM "errors" (
    "until" TIMESTAMP,
    "path" VARCHAR(64),
    "errors" INTEGER,
    "slowest_ms" DOUBLE
);

CREATE OR REPLACE PUMP "find_errors" AS
INSERT INTO "errors"
SELECT STREAM ROWTIME, "path", COUNT(*), MAX("ms")
FROM "requests"
WHERE "status" >= 500
GROUP BY STEP("requests".ROWTIME BY INTERVAL '10' SECOND), "path";
