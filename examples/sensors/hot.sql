-- Average and highest temperature, by machine and ten seconds.
CREATE OR REPLACE STREAM "plant" ("source" BIGINT, "celsius" DOUBLE);

CREATE OR REPLACE STREAM "temperatures" (
    "source" BIGINT,
    "until" TIMESTAMP,
    "average" DOUBLE,
    "highest" DOUBLE
);

CREATE OR REPLACE PUMP "by_machine" AS
INSERT INTO "temperatures"
SELECT STREAM "source", ROWTIME, AVG("celsius"), MAX("celsius")
FROM "plant"
GROUP BY STEP("plant".ROWTIME BY INTERVAL '10' SECOND), "source";
