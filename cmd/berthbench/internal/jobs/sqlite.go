package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A sqliteLedger is a table with one connection: SQLite has one writer at a time, and those that wait
// for each other in the program are faster than those that find the file locked.
type sqliteLedger struct {
	db          *sql.DB
	put, remove *sql.Stmt
}

// openSQLite opens a database with that journal mode that flushes whatever it must.
func openSQLite(journal string) func(context.Context, string) (ledger, error) {
	return func(ctx context.Context, directory string) (ledger, error) {
		pragmas := url.Values{"_pragma": {"journal_mode(" + journal + ")", "synchronous(FULL)"}}
		name := "file:" + filepath.ToSlash(filepath.Join(directory, "records.sqlite")) + "?" + pragmas.Encode()
		db, err := sql.Open("sqlite", name)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		l := &sqliteLedger{db: db}
		if err := l.prepare(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return l, nil
	}
}

func (l *sqliteLedger) prepare(ctx context.Context) error {
	if _, err := l.db.ExecContext(ctx, "CREATE TABLE records (number INTEGER PRIMARY KEY, value BLOB NOT NULL)"); err != nil {
		return err
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	const insert = "INSERT INTO records (number, value) VALUES (?, ?)"
	for number := uint16(1); number <= baseRecords; number++ {
		if _, err := tx.ExecContext(ctx, insert, number, valueOf(number)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if l.put, err = l.db.PrepareContext(ctx, insert); err != nil {
		return err
	}
	if l.remove, err = l.db.PrepareContext(ctx, "DELETE FROM records WHERE number = ?"); err != nil {
		return err
	}
	return l.warm(ctx)
}

// warm writes, without flushing, until the log of WAL mode has its full length, 1,000 pages, and is
// written from its beginning again: before that each flush also records that the file has grown.
func (l *sqliteLedger) warm(ctx context.Context) error {
	const changes = 1100
	if _, err := l.db.ExecContext(ctx, "PRAGMA synchronous = OFF"); err != nil {
		return err
	}
	for range changes / 2 {
		if err := l.Put(ctx, firstFree); err != nil {
			return err
		}
		if err := l.Delete(ctx, firstFree); err != nil {
			return err
		}
	}
	_, err := l.db.ExecContext(ctx, "PRAGMA synchronous = FULL")
	return err
}

func (l *sqliteLedger) Put(ctx context.Context, number uint16) error {
	return one(l.put.ExecContext(ctx, number, valueOf(number)))
}

func (l *sqliteLedger) Delete(ctx context.Context, number uint16) error {
	return one(l.remove.ExecContext(ctx, number))
}

// one reports whether exactly one row was changed.
func one(changed sql.Result, err error) error {
	if err != nil {
		return err
	}
	rows, err := changed.RowsAffected()
	if err == nil && rows != 1 {
		err = fmt.Errorf("%d rows were changed", rows)
	}
	return err
}

func (l *sqliteLedger) Count(ctx context.Context) (count int, err error) {
	err = l.db.QueryRowContext(ctx, "SELECT count(*) FROM records").Scan(&count)
	return count, err
}

func (l *sqliteLedger) Close() error { return l.db.Close() }
