-- Records a batch of events.
INSERT INTO batches (run, seq, count, at, body) VALUES (?, ?, ?, ?, ?)
