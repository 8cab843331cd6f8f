package jobs

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A boltLedger is bbolt as it comes: one bucket, one Put or Delete in a transaction.
type boltLedger struct {
	db     *bolt.DB
	change func(func(*bolt.Tx) error) error // Update or Batch
}

var boltBucket = []byte("records")

func openBoltUpdate(_ context.Context, directory string) (ledger, error) {
	l, err := openBolt(directory)
	if err != nil {
		return nil, err
	}
	l.change = l.db.Update
	return l, nil
}

// openBoltBatch is for writers who share transactions. A delay of 0 leaves it at bbolt's own.
func openBoltBatch(delay time.Duration) func(context.Context, string) (ledger, error) {
	return func(_ context.Context, directory string) (ledger, error) {
		l, err := openBolt(directory)
		if err != nil {
			return nil, err
		}
		if delay > 0 {
			l.db.MaxBatchDelay = delay
		}
		l.change = l.db.Batch
		return l, nil
	}
}

func openBolt(directory string) (*boltLedger, error) {
	db, err := bolt.Open(filepath.Join(directory, "records.db"), 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket(boltBucket)
		for number := uint16(1); err == nil && number <= baseRecords; number++ {
			err = bucket.Put(boltKey(number), valueOf(number))
		}
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return &boltLedger{db: db}, nil
}

func boltKey(number uint16) []byte { return binary.BigEndian.AppendUint16(nil, number) }

func (l *boltLedger) Put(_ context.Context, number uint16) error {
	return l.change(func(tx *bolt.Tx) error { return tx.Bucket(boltBucket).Put(boltKey(number), valueOf(number)) })
}

func (l *boltLedger) Delete(_ context.Context, number uint16) error {
	return l.change(func(tx *bolt.Tx) error { return tx.Bucket(boltBucket).Delete(boltKey(number)) })
}

func (l *boltLedger) Count(context.Context) (count int, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		count = tx.Bucket(boltBucket).Stats().KeyN
		return nil
	})
	return count, err
}

func (l *boltLedger) Close() error { return l.db.Close() }
