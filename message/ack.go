package message

// AckMode says how deliveries to a subscription are acknowledged.
type AckMode uint8

const (
	// AckAuto is by being sent.
	AckAuto AckMode = iota
	// AckCumulative is each with all before it.
	AckCumulative
	// AckIndividual is each for itself.
	AckIndividual
)

// AckModeOf reads what [HeaderAckMode] says on KindSubscribe. The error is authored, with
// [CodeInvalid].
func AckModeOf(h Header) (AckMode, error) {
	switch mode := h.Get(HeaderAckMode); mode {
	case "", "auto":
		return AckAuto, nil
	case "client":
		return AckCumulative, nil
	case "client-individual":
		return AckIndividual, nil
	default:
		return 0, Errorf(CodeInvalid, "there is no ack mode %.40q: want auto, client or client-individual", mode)
	}
}
