package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// A topic that the cluster does not allow is no failure of the cluster: what others send
// goes on.
func TestForbiddenTopic(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	for name, refused := range map[string]*kerr.Error{
		"authorization": kerr.TopicAuthorizationFailed, "name": kerr.InvalidTopicException, "policy": kerr.PolicyViolation,
	} {
		t.Run(name, func(t *testing.T) {
			b := connect(t, config(t, cluster.ListenAddrs()))
			for _, call := range []func() error{
				func() error {
					return b.Publish(t.Context(), "/"+name+"/x", broker.Envelope{ID: "1", Destination: "/" + name + "/x"})
				},
				func() error { _, err := b.Subscribe(t.Context(), "/"+name+"/x", "", nil); return err },
			} {
				cluster.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
					response := r.ResponseKind().(*kmsg.CreateTopicsResponse)
					for _, topic := range r.(*kmsg.CreateTopicsRequest).Topics {
						said := kmsg.NewCreateTopicsResponseTopic()
						said.Topic, said.ErrorCode = topic.Topic, refused.Code
						response.Topics = append(response.Topics, said)
					}
					return response, nil, true
				})
				if code := message.Public(call()).Code; code != message.CodeDenied {
					t.Errorf("the code is %s", code)
				}
			}
		})
	}
}
