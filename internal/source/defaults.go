package source

import (
	"reflect"
	"strings"
	"sync"
)

// origin says where the options of an instance are written. The zero value is: all in the
// instance itself.
type origin struct {
	inherited uint32    // the options that are not, a bit for each by its place in Instance
	defaults  *Instance // has these, itself or from defaults of its own
	place     string    // of defaults
}

// inherit gives the instance the options of defaults at a place that it does not have itself.
// An endpoint of its own excludes a default host and port, and the other way round; the same
// holds of ipv4_only and address_families.
func (i *Instance) inherit(defaults *Instance, place string) {
	if reflect.ValueOf(defaults).Elem().IsZero() {
		return
	}
	left := *defaults
	switch {
	case i.Endpoint != "":
		left.Host, left.Port = "", nil
	case i.Host != "" || i.Port != nil:
		left.Endpoint = ""
	}
	if i.IPv4Only != nil || i.AddressFamilies != nil {
		left.IPv4Only, left.AddressFamilies = nil, nil
	}
	own, others := reflect.ValueOf(i).Elem(), reflect.ValueOf(&left).Elem()
	for _, n := range optionFields() {
		if own.Field(n).IsZero() && !others.Field(n).IsZero() {
			own.Field(n).Set(others.Field(n))
			i.origin.inherited |= 1 << n
		}
	}
	if i.origin.inherited != 0 {
		i.origin.defaults, i.origin.place = defaults, place
	}
}

// optionFields returns the places of the options in Instance by their names.
var optionFields = sync.OnceValue(func() map[string]int {
	fields := make(map[string]int)
	instance := reflect.TypeFor[Instance]()
	for n := range instance.NumField() {
		if name := instance.Field(n).Tag.Get("mapstructure"); name != "" {
			fields[name] = n
		}
	}
	return fields
})

// placeOf returns where an option of the instance at a place is written, or where it would
// be if it were; the option may be an element such as tags[0].
func (i *Instance) placeOf(place, option string) string {
	name := option[:len(option)-len(strings.TrimLeft(option, "abcdefghijklmnopqrstuvwxyz0123456789_"))]
	for i.origin.inherited&(1<<optionFields()[name]) != 0 {
		i, place = i.origin.defaults, i.origin.place
	}
	return place + "." + option
}

// has reports whether the instance has an option that is written in itself.
func (i *Instance) has(option string) bool {
	n := optionFields()[option]
	return i.origin.inherited&(1<<n) == 0 && !reflect.ValueOf(i).Elem().Field(n).IsZero()
}
