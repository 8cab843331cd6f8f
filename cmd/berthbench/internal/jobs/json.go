package jobs

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
)

// A jsonLedger is a file of JSON that is written anew, beside the old one, and renamed over it.
type jsonLedger struct {
	path    string
	mu      sync.Mutex // guards records and the file
	records map[uint16]string
}

func openJSON(_ context.Context, directory string) (ledger, error) {
	l := &jsonLedger{path: filepath.Join(directory, "records.json"), records: make(map[uint16]string)}
	for number := uint16(1); number <= baseRecords; number++ {
		l.records[number] = string(valueOf(number))
	}
	if err := l.write(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *jsonLedger) write() error {
	data, err := json.Marshal(l.records)
	if err != nil {
		return err
	}
	return replaceFile(l.path, data)
}

func (l *jsonLedger) Put(_ context.Context, number uint16) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[number] = string(valueOf(number))
	return l.write()
}

func (l *jsonLedger) Delete(_ context.Context, number uint16) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.records, number)
	return l.write()
}

func (l *jsonLedger) Count(context.Context) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data, err := os.ReadFile(l.path)
	if err != nil {
		return 0, err
	}
	var records map[uint16]string
	err = json.Unmarshal(data, &records)
	return len(records), err
}

func (l *jsonLedger) Close() error { return nil }
