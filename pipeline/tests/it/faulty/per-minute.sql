-- Metres travelled and the range of both kinds of points, per unicorn and minute of arrival.
CREATE OR REPLACE STREAM "SOURCE_SQL_STREAM_001" (
    "Distance" DOUBLE,
    "HealthPoints" INTEGER,
    "Latitude" DOUBLE,
    "Longitude" DOUBLE,
    "MagicPoints" INTEGER,
    "Name" VARCHAR(16),
    "StatusTime" TIMESTAMP
);

CREATE OR REPLACE STREAM "DESTINATION_SQL_STREAM" (
    "Name" VARCHAR(16),
    "StatusTime" TIMESTAMP,
    "Distance" SMALLINT,
    "MinMagicPoints" SMALLINT,
    "MaxMagicPoints" SMALLINT,
    "MinHealthPoints" SMALLINT,
    "MaxHealthPoints" SMALLINT
);

CREATE OR REPLACE PUMP "STREAM_PUMP" AS
INSERT INTO "DESTINATION_SQL_STREAM"
SELECT STREAM "Name", "ROWTIME",
    SUM("Distance"),
    MIN("MagicPoints"), MAX("MagicPoints"),
    MIN("HealthPoints"), MAX("HealthPoints")
FROM "SOURCE_SQL_STREAM_001"
GROUP BY FLOOR("SOURCE_SQL_STREAM_001"."ROWTIME" TO MINUTE), "Name";
