package source

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/internal/check"
)

// What of the lists is not checked is told where it is to be shown, each with its reason.
func TestNotChecked(t *testing.T) {
	w := watch(t, "*.yaml", map[string]string{"a.yaml": oneInstance, "b.yaml": "instances: [{name: b, host: h, port: 2}]"})
	w.write("b.yaml", "instances: [{name: b, host: h, port: 0, timeout: -1}, {name: a, host: h, port: 1}]")
	w.settle()
	assert.Nil(t, w.list().NotChecked, "nobody is to see it")
	w.options.Status = "tcpcheck_status"
	b := fmt.Sprintf("instances_file %q .", w.in("b.yaml"))
	assert.Equal(t, []check.NotChecked{
		{
			Key: check.Key{Host: "h", Name: "b"}, Reason: check.Refused,
			Text: b + `instances[0] "b" .port: 0 is not between 1 and 65535; ` + b + `instances[0] "b" .timeout: -1s is not more than 0`,
		},
		{
			Key: check.Key{Host: "h", Port: 1, Name: "a"}, Reason: check.Duplicate,
			Text: b + `instances[1] "a": it is ` + fmt.Sprintf("instances_file %q .", w.in("a.yaml")) + `instances[0] "a" as well, and is checked once`,
		},
	}, w.list().NotChecked)
}
