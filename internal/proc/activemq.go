package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/internal/need"
)

// activeMQ is where Debian's package activemq is.
const activeMQ = "/usr/share/activemq"

// ActiveMQ is an ActiveMQ Classic, which takes every login and has no console.
type ActiveMQ struct {
	*Process // the server, to kill and start anew
	// STOMP is where it speaks STOMP over TCP.
	STOMP string
}

// StartActiveMQ starts a broker that shares nothing with another one on the machine. Where
// it is not installed the test does not go on.
func StartActiveMQ(t testing.TB) *ActiveMQ {
	t.Helper()
	java := need.Program(t, "java")
	need.Program(t, "/usr/bin/activemq")
	stomp, base := FreeAddrs(t, 1)[0], t.TempDir()
	config := filepath.Join(base, "activemq.xml")
	if err := os.WriteFile(config, fmt.Appendf(nil, activeMQConfig, base, stomp), 0o600); err != nil {
		t.Fatal(err)
	}
	p := Start(t, Config{
		Args: []string{
			java, "-Xms64m", "-Xmx512m", "-XX:TieredStopAtLevel=1", // it starts soon, and need not be fast
			"--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED",
			"-Djava.io.tmpdir=" + base,
			"-Dactivemq.home=" + activeMQ, "-Dactivemq.base=" + base, "-Dactivemq.conf=" + base, "-Dactivemq.data=" + base,
			"-jar", filepath.Join(activeMQ, "bin", "activemq.jar"), "start", "xbean:file:" + config,
		},
		Addrs: []string{stomp},
	})
	return &ActiveMQ{Process: p, STOMP: stomp}
}

const activeMQConfig = `<beans xmlns="http://www.springframework.org/schema/beans"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans.xsd
    http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="headrace" dataDirectory="%[1]s" useJmx="false" useShutdownHook="false">
    <persistenceAdapter><kahaDB directory="%[1]s/kahadb"/></persistenceAdapter>
    <systemUsage><systemUsage>
      <storeUsage><storeUsage limit="256 mb"/></storeUsage>
      <tempUsage><tempUsage limit="256 mb"/></tempUsage>
    </systemUsage></systemUsage>
    <transportConnectors><transportConnector name="stomp" uri="stomp://%[2]s"/></transportConnectors>
  </broker>
</beans>
`
