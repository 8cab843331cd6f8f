package scenario

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
)

// settings are what the next machine is made of.
type settings struct {
	machine machine.Config
	policy  reservation.Policy
}

func defaultSettings() settings {
	return settings{machine: machine.Config{Seed: 1}, policy: reservation.DefaultPolicy()}
}

func (s settings) config() machine.Config {
	config := s.machine
	config.Policy = &s.policy
	return config
}

// set reads NAME=VALUE: a setting of the machine or a field of reservation.Policy.
func (s *settings) set(word string) error {
	name, text, _ := strings.Cut(word, "=")
	switch name {
	case "seed":
		seed, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return fmt.Errorf("%s: want a number from 0", word)
		}
		s.machine.Seed = seed
		return nil
	case "timewait":
		wait, err := time.ParseDuration(text)
		if err != nil || wait < 0 {
			return fmt.Errorf("%s: want a duration such as 2m", word)
		}
		s.machine.TimeWait = wait
		return nil
	case "udp", "tcp":
		r, err := pool.ParseRange(text)
		if err != nil {
			return err
		}
		protocol, err := pool.ParseProtocol(name)
		if err != nil {
			return err
		}
		if s.machine.Dynamic == nil {
			s.machine.Dynamic = map[reservation.Protocol]reservation.Range{}
		}
		s.machine.Dynamic[protocol] = r
		return nil
	case "HidePersistent":
		return setField(reflect.ValueOf(&s.machine.Netsh).Elem().FieldByName(name), word, text)
	}
	field := reflect.ValueOf(&s.policy).Elem().FieldByName(name)
	if !field.IsValid() {
		return fmt.Errorf("%q is no setting of a machine: want seed, timewait, udp, tcp, HidePersistent or a field of the policy table", name)
	}
	return setField(field, word, text)
}

func setField(field reflect.Value, word, text string) error {
	if field.Kind() == reflect.Bool {
		answer, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%s: want true or false", word)
		}
		field.SetBool(answer)
		return nil
	}
	condition, known := conditionNamed(text)
	if !known {
		return fmt.Errorf("%s: want a condition: invalid, denied, in-use, not-found, exhausted, out-of-order", word)
	}
	field.Set(reflect.ValueOf(condition))
	return nil
}

// settingNames returns the names of all settings, for completion.
func settingNames() []string {
	names := []string{"seed=", "timewait=", "udp=", "tcp=", "HidePersistent="}
	policy := reflect.TypeFor[reservation.Policy]()
	for i := range policy.NumField() {
		names = append(names, policy.Field(i).Name+"=")
	}
	return names
}
