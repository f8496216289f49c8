package adaptertest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/internal/adaptertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNetHTTP(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Adapter{Build: adaptertest.NetHTTP})
}
