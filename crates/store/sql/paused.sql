-- What may not start.
SELECT what FROM pauses
