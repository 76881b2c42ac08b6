// # Requirements
//
// What the specifications of STOMP 1.0, 1.1 and 1.2 ask of a server, and of the
// client in stompadapter/client where it is the client's to keep, in words of
// our own. A row has its level as of RFC 2119, a dash where it follows from
// others or is practice, and the versions that say so. After = stands what holds
// us to it: conversations in testdata/script, by their names, and tests; after ~
// what there is to say beside.
//
// # Requirements: frames and encoding
//
//	A1  MUST   1.2  A frame is a command, headers, an empty line, a body and NUL; lines end with
//	                LF or CR LF.
//	    = frame-crlf-in-connect frame-crlf frame-lf frame-without-end frame.TestDecode
//	      frame.TestIncompleteFrames
//	A2  MUST   <1.2 Before 1.2 lines end with LF alone, and a CR is an octet like others.
//	    = frame-cr-belongs-to-the-command-before-1-2 frame-cr-belongs-to-the-value-before-1-2
//	      lenient-line-ends frame.TestDecode frame.TestLenient
//	A3  MUST   all  Line ends before and after frames are none.
//	    = frame-crlf-between-frames frame-line-ends-between-frames lenient-line-ends
//	A4  MUST   1.1+ Upper and lower case differ, in commands and in header names.
//	    = frame-command-in-lower-case frame-header-in-upper-case
//	A5  MUST   1.1+ Commands and headers are UTF-8.
//	    = header-any-octets-in-1-0 header-not-utf8 header-utf8
//	A6  MUST   1.2  \r \n \c and \\ stand for CR, LF, colon and backslash, in names as in values.
//	    = escape-across-versions escape-both-ways escape-each-backslash-once frame.FuzzEscape
//	A7  MUST   1.1  The same without \r.
//	    = escape-across-versions escape-cr-is-literal-in-1-1 escape-cr-undefined-in-1-1
//	      frame.TestDecode
//	A8  MUST   1.1+ Any other escape is a fatal error.
//	    = escape-cr-undefined-in-1-1 escape-lone-backslash escape-undefined lenient-escapes
//	      frame.TestLenient
//	    ~ Not for a lenient server, which keeps it as it is.
//	A9  MUST   1.2  What is written is escaped likewise.
//	    = escape-both-ways escape-cr-is-literal-in-1-1 frame-cr-belongs-to-the-value-before-1-2
//	      frame.TestAppend frame.TestRoundTrip frame.FuzzAppend
//	A10 MUST   1.1+ CONNECT and CONNECTED are neither escaped nor unescaped.
//	    = escape-not-in-connect escape-not-in-connected frame.TestAppend
//	A11 MUST   1.0  1.0 has no escapes, in either direction.
//	    = escape-across-versions escape-line-end-stops-at-1-0 escape-none-in-1-0
//	      frame.TestSec_S19_S46_HeaderInjection
//	A12 MUST   1.2  Blanks in headers are neither taken off nor put in.
//	    = header-blanks-stay lenient-blanks
//	    ~ A lenient server takes them off.
//	A13 MAY    1.0  A blank after the colon may be taken off in 1.0.
//	    = header-blanks-stay-in-1-0 lenient-blanks frame.TestLenient
//	    ~ Only a lenient server does.
//	A14 MUST   1.2  A header name has an octet at least; CR, LF and colon appear in headers only
//	                as escapes.
//	    = frame-cr-within-a-header header-empty-value header-no-colon header-no-name header-nul
//	      header-raw-colon
//	    ~ A colon in a value is taken as it is, for many clients write it so.
//	A15 MUST   1.1+ Only SEND, MESSAGE and ERROR have a body.
//	    = body-of-connect body-where-none-belongs-with-length body-where-none-belongs
//	      lenient-bodies frame.TestAppendRefuses
//	A16 MUST   1.0  The body of SUBSCRIBE is ignored.
//	    = body-ignored-in-1-0 lenient-bodies
//	A17 MUST   1.2  There are eleven commands of clients and four of servers.
//	    = frame-command-of-servers frame-of-another-protocol frame-unknown-command TestStateTable
//
// # Requirements: standard headers
//
//	B1  MAY    1.2  Any frame may carry content-length.
//	    = body-where-none-belongs-with-length frame.TestContentLengthOfNothing
//	B2  MUST   all  With content-length just so many octets are the body, whatever they are.
//	    = body-ends-with-nul body-length-in-octets body-with-nul
//	B3  MUST   all  After them comes NUL, or the frame is broken.
//	    = body-ends-with-nul body-longer-than-its-length body-shorter-than-its-length
//	B4  MUST   all  Without it the first NUL ends the frame.
//	    = body-without-length
//	B5  SHOULD 1.1+ A frame with a body says its length in octets.
//	    = body-empty body-length-in-octets message-type-and-length frame.TestAppend
//	B6  MUST   1.1+ A frame with NULs in its body does so without fail.
//	    = body-with-nul
//	B7  -      all  A length that is no number is a fatal error.
//	    = body-length-negative body-length-no-number body-length-twice
//	      frame.TestSec_S17_ContentLength
//	B8  SHOULD 1.1+ A frame with a body says its content-type.
//	    = body-content-type message-type-and-length
//	    ~ For MESSAGE that is the sender's matter: the server makes none up.
//	B9  MUST   1.2  A content-type is a MIME type.
//	    = body-content-type TestAnyContentTypePasses
//	    ~ It passes as it is, for it is between the clients.
//	B10 SHOULD 1.1+ Without it the body is binary.
//	    = body-without-content-type
//	B11 SHOULD 1.1+ Text is UTF-8 unless a charset says otherwise.
//	    = body-content-type body-utf8
//	B12 MUST   1.1+ UTF-8 is supported.
//	    = body-utf8
//	B13 MAY    all  A client may ask for a receipt on every frame but CONNECT.
//	    = receipt-in-1-0 receipt-not-of-connect receipt-of-any-value receipt-of-every-frame
//	      TestEmptyReceiptIsEchoed
//	B14 MUST   all  Such a frame is answered by RECEIPT once it is processed.
//	    = receipt-in-1-0 receipt-of-any-value receipt-of-every-frame receipt-stays-with-its-sender
//	      receipt-twice-the-same TestReceiptImpliesEarlierFrames
//	B15 SHOULD 1.1+ Of repeated headers the first counts.
//	    = body-length-twice header-first-counts header-repeated-pass
//	      frame.TestDecodeFirstRepeatedHeaderWins
//	B16 MAY    1.1+ A server may add or change headers on the way.
//	    = server-adds-headers
//	B17 MAY    1.1+ The number and length of headers and the length of bodies may be limited.
//	    = limit-before-login limit-frame limit-frame-in-pieces limit-header-line limit-headers
//	      limit-headers-together limit-subscriptions limit-transaction-memory
//	      limit-transaction-messages limit-transactions limit-while-login-waits frame.TestLimits
//	      frame.TestDefaultLimits TestBadInput
//	B18 SHOULD 1.1+ Who passes a limit gets ERROR and is closed.
//	    = limit-before-login limit-frame limit-header-line limit-headers limit-headers-together
//	      limit-transaction-memory limit-transaction-messages limit-transactions
//	      limit-while-login-waits
//	B19 MUST   1.1+ Clients that come and go rapidly are supported.
//	    = connect-rapidly TestExactlyOneDisconnect TestStreamsOfGarbage
//	B20 -      1.1+ Before the socket closes there is time for the last frame.
//	    = linger-for-who-still-sends transport.TestHalfClosedClientGetsTheLastWords
//	      transport.TestStreamLingerIsBounded
//
// # Requirements: connecting
//
//	C1  MUST   all  A session begins with CONNECT or STOMP.
//	    = connect-and-go-on connect-comes-first connect-not-by-disconnect connect
//	      frame-of-another-protocol limit-while-login-waits TestStateTable
//	C2  MUST   1.2  STOMP is handled like CONNECT (1.1: SHOULD).
//	    = connect-by-stomp connect-then-stomp
//	C3  SHOULD 1.1+ A refused client gets ERROR with the reason and is closed.
//	    = connect-refused-drops-the-rest connect-refused connect-too-late TestLoginTimeout
//	C4  MUST   1.1+ A client's CONNECT carries accept-version and host.
//	    = connect-without-host client.TestConnectFrame
//	    ~ The server lets those in that send no host.
//	C5  MAY    1.1+ An unknown host is the default one, or refused.
//	    = connect-to-any-host connect-without-host
//	C6  MAY    1.1+ CONNECT may carry login, passcode and heart-beat.
//	    = connect-credentials-go-nowhere client.TestConnectFrame
//	C7  MUST   1.1+ CONNECTED carries version.
//	    = connect
//	C8  MAY    1.1+ CONNECTED may carry heart-beat, a session that is unique, and server.
//	    = connect-named-server connect
//	C9  MUST   1.1+ server is name/version, then comments after a blank.
//	    = connect-named-server escape-not-in-connected
//	C10 MUST   1.0  CONNECTED carries session.
//	    = connect-1-0
//	C11 MUST   1.1+ Without accept-version the client speaks 1.0.
//	    = connect-1-0 frame.TestNegotiate
//	C12 MUST   1.1+ The highest version in common is chosen.
//	    = subprotocol-limits-the-version version-1-0-by-name version-among-unknown version-highest
//	      TestNegotiation client.TestVersion
//	C13 MUST   1.2  Without one the client gets ERROR and is closed (1.1: SHOULD).
//	    = subprotocol-older-than-the-client version-none-in-common
//	C14 MUST   1.2  The version that was chosen governs the session.
//	    = escape-across-versions version-governs-acks TestVersionsShareNoFrames
//	C15 -      all  A session begins once.
//	    = connect-then-stomp connect-twice TestStateTable
//
// # Requirements: heart-beats
//
//	D1  MUST   1.1+ The header is two non-negative integers with a comma between them.
//	    = beat-negative beat-not-two-numbers beat-with-a-blank frame.TestParseHeartBeat
//	      frame.FuzzHeartBeat
//	D2  MUST   1.1+ No header means 0,0.
//	    = beat-none-asked
//	D3  MUST   1.1+ In each direction the slower side decides; zero on either means none.
//	    = beat-client-wants-less beat-none-asked beat-of-both-sides beat-server-offers-less
//	      beat-server-offers-none beat-silence beat-slow-client frame.TestHeartBeatNegotiate
//	      TestHeartbeats client.TestSlowerHeartbeatDecides
//	D4  MUST   1.1+ The sender sends something within each period, a line end if nothing else.
//	    = beat-client-wants-less beat-line-ends-keep-alive beat-not-beside-frames
//	      beat-of-both-sides beat-server-offers-less TestHeartbeatOnTheWire
//	      client.TestHeartbeatsAreSentInTime
//	D5  MUST   1.1+ Whatever comes is a sign of life.
//	    = beat-frames-keep-alive beat-line-ends-keep-alive beat-of-both-sides TestBeatsKeepAlive
//	D6  MAY    1.1+ A silent peer may be taken for dead.
//	    = beat-silence client.TestSilentServerIsLost TestHeartbeatsOverTCP
//	D7  SHOULD 1.1+ It is given a margin.
//	    = beat-silence beat-slow-client
//	D8  -      1.0  1.0 has none.
//	    = beat-none-in-1-0 connect-1-0 version-1-0-by-name client.TestNoHeartbeatsInVersion10
//
// # Requirements: SEND
//
//	E1  MUST   all  SEND needs a destination.
//	    = frame-header-in-upper-case send-empty-destination send-without-destination
//	E2  MUST   all  To STOMP a destination is any text.
//	    = send-opaque-destination send-to-nobody subscribe-pattern
//	E3  MAY    all  A transaction header makes it part of a transaction.
//	    = transaction-commit transaction-is-not-told transaction-unknown-send client.TestTransaction
//	      TestHeaders
//	E4  MUST   1.1+ Headers of the user's go on to MESSAGE.
//	    = connect-credentials-go-nowhere header-repeated-pass receipt-stays-with-its-sender
//	      send-headers-pass
//	E5  MUST   1.1+ A SEND that fails gives ERROR and a close.
//	    = send-fails send-refused TestFailures
//	E6  MAY    all  A selector may choose messages by their headers.
//	    = subscribe-selector TestHeaders
//	    ~ Brokers are handed the selector; the embedded one refuses it.
//
// # Requirements: SUBSCRIBE and UNSUBSCRIBE
//
//	F1  MUST   all  SUBSCRIBE needs a destination.
//	    = subscribe-without-destination
//	F2  MUST   1.1+ SUBSCRIBE needs an id.
//	    = subscribe-without-id
//	F3  MAY    1.0  In 1.0 it may go without, and UNSUBSCRIBE by destination.
//	    = subscribe-with-id-in-1-0 subscribe-without-id-in-1-0 TestSTOMP10SubscribesByDestination
//	F4  MUST   1.1+ The ids of a connection's subscriptions differ.
//	    = subscribe-id-again subscribe-same-id-twice
//	F5  MUST   1.1+ An id belongs to its connection.
//	    = subscribe-ids-of-two-clients
//	F6  MUST   all  ack is auto, if nothing is said, or client, or from 1.1 on client-individual.
//	    = ack-client ack-client-before-1-2 ack-individual ack-individual-before-1-2
//	      subscribe-ack-auto subscribe-ack-unknown TestHeaders
//	F7  MUST   1.1+ A subscription that cannot be made gives ERROR and a close.
//	    = limit-subscriptions resume-malformed subscribe-refused
//	      subscribe-refused-by-the-application subscribe-selector TestSubscriptionsAreBounded
//	F8  MAY    1.1+ SUBSCRIBE may carry headers that a server knows.
//	    = resume resume-malformed resume-too-late resume-where-nothing-is-kept
//	      subscribe-other-headers
//	    ~ hr-offset and hr-epoch are ours.
//	F9  MUST   1.1+ UNSUBSCRIBE carries the id of a subscription that there is.
//	    = subscribe-id-again unsubscribe-unknown unsubscribe-without-id
//	F10 MUST   all  Then nothing more comes from it; others go on.
//	    = subscribe-without-id-in-1-0 unsubscribe-one-of-two unsubscribe
//
// # Requirements: ACK and NACK
//
//	G1  -      all  With auto a message counts as consumed once it is sent.
//	    = ack-auto-of-a-queue ack-of-auto subscribe-ack-auto
//	G2  MUST   all  With client, ACK covers all messages of the subscription up to this one.
//	    = ack-client ack-client-before-1-2 ack-client-of-two-subscriptions client.TestAckAndNack
//	G3  MUST   1.1+ With client-individual it covers one.
//	    = ack-after-unsubscribe ack-individual ack-individual-before-1-2 ack-on-a-topic ack-prefetch
//	      client.TestAckAndNack
//	G4  MAY    all  What was not acknowledged when the connection broke may be sent to another.
//	    = ack-client ack-client-before-1-2 ack-individual ack-individual-before-1-2
//	      ack-of-nobody-comes-to-an-end ack-on-a-topic ack-queue-in-turn
//	      client.TestLossDropsWhatTheServerSendsAgain
//	    ~ What was sent of a queue is; of a topic it goes with its subscription.
//	G5  SHOULD 1.1+ A client NACKs what it does not process.
//	    = client.TestHandlerAcknowledges
//	G6  MUST   1.2  ACK and NACK carry the ack header of MESSAGE as id.
//	    = ack-1-2-by-message-id ack-1-2 message-with-ack version-governs-acks TestHeaders
//	G7  MUST   1.1  ACK and NACK carry message-id and subscription.
//	    = ack-1-1 ack-1-1-without-subscription ack-forged message-with-ack-before-1-2
//	      message-with-ack-of-two-subscriptions nack-1-1-without-message-id version-governs-acks
//	      TestHeaders
//	G8  MUST   1.0  ACK carries message-id; there is no NACK.
//	    = ack-1-0 message-with-ack-before-1-2 nack-1-0
//	G9  MAY    all  ACK and NACK may be part of a transaction.
//	    = ack-in-transaction transaction-acks transaction-acks-before-1-2 client.TestTransaction
//	G10 -      1.1+ What NACK makes of a message is the server's choice.
//	    = ack-1-1 nack nack-1-1 nack-client nack-dead-letter
//	    ~ The embedded broker sends it again, after 1 s and twice as long each time; the fifth
//	      refusal makes it a dead letter, unless the rule of its destination says otherwise.
//	G11 -      1.2  ACK of an unknown id does no harm.
//	    = ack-1-2 ack-of-an-unknown-id ack-of-another ack-of-auto ack-of-nobody-comes-to-an-end
//	      ack-twice
//	    ~ The embedded broker refuses it, which ends the connection, unless the message was there
//	      and its time ran out.
//
// # Requirements: transactions
//
//	H1  MUST   all  BEGIN, COMMIT and ABORT name a transaction.
//	    = abort-without-transaction begin-without-transaction commit-without-transaction
//	      transaction-handed-on
//	H2  MUST   1.1+ The ids of a connection's open transactions differ.
//	    = limit-transactions transaction-beside-another transaction-id-again client.TestTransaction
//	H3  MUST   all  What is sent and acknowledged within one takes effect at once or not at all.
//	    = limit-transaction-memory limit-transaction-messages transaction-acks
//	      transaction-acks-before-1-2 transaction-commit transaction-partly-refused
//	      transaction-receipt-comes-last transaction-refused client.TestTransaction
//	    ~ What fails behind the first of its messages undoes nothing: COMMIT is refused with its
//	      error, and all else of it took effect.
//	H4  MUST   1.1+ The end of the connection aborts what is open.
//	    = transaction-open-when-it-disconnects transaction-open-when-it-leaves
//	      client.TestTransactionEndsWithItsConnection TestExactlyOneDisconnect
//	H5  MUST   all  COMMIT and ABORT name one that is open.
//	    = transaction-unknown-abort transaction-unknown-commit transaction-unknown-send
//	H6  -      all  ABORT drops all of it.
//	    = transaction-abort client.TestTransaction
//
// # Requirements: the end of a session, and what servers send
//
//	I1  SHOULD 1.1+ A client leaves with DISCONNECT and waits for its receipt.
//	    = disconnect-without-receipt disconnect client.TestCloseInGoodOrder
//	I2  MUST   1.1+ That receipt comes before the socket closes.
//	    = disconnect-comes-after-what-was-sent disconnect TestDisconnectComesAfterHeldFrames
//	I3  MUST   1.1+ Nothing is sent after DISCONNECT; what is, is ignored.
//	    = connect-refused-drops-the-rest disconnect-is-the-last TestNothingIsReadAfterDisconnect
//	I4  MUST   1.1+ MESSAGE carries destination, message-id and subscription.
//	    = server-adds-headers subscribe-broadcast TestMessage
//	I5  SHOULD 1.2  The destination is that of SEND.
//	    = send-opaque-destination subscribe-broadcast subscribe-pattern
//	I6  MUST   all  A message-id is unique.
//	    = message-ids-differ
//	I7  MUST   1.2  With client and client-individual MESSAGE carries ack.
//	    = message-with-ack message-with-ack-before-1-2 TestAckHeader
//	    ~ Brokers say what they want acknowledged.
//	I8  SHOULD all  A MESSAGE with a body carries content-length and content-type.
//	    = body-content-type message-type-and-length
//	    ~ Its type is what the sender said, see B8.
//	I9  -      1.1+ What only servers set does not pass from SEND to MESSAGE.
//	    = message-forged-headers transaction-is-not-told TestConversation
//	I10 MUST   all  RECEIPT carries receipt-id.
//	    = receipt-in-1-0 receipt-of-every-frame
//	I11 -      1.2  A receipt says that all earlier frames have come, so receipts are in order.
//	    = connect-and-go-on disconnect-comes-after-what-was-sent error-comes-in-turn
//	      receipt-of-every-frame transaction-commit transaction-receipt-comes-last
//	      TestReceiptsComeInFrameOrder
//	I12 SHOULD 1.2  What came before the end of a connection is processed.
//	    = disconnect-comes-after-what-was-sent frame-without-end leaving-loses-nothing
//	I13 MAY    all  A server may send ERROR when something goes wrong.
//	    = linger-for-who-still-sends send-refused TestErrorReachesStreams
//	I14 MUST   1.1+ Then it closes.
//	    = connect-refused error-ends-the-session error-leaves-others-alone send-refused
//	      TestErrorMessageCloses
//	I15 SHOULD all  ERROR has a message header.
//	    = connect-refused send-fails send-refused TestFailures
//	I16 SHOULD 1.1+ ERROR carries the receipt of the frame at fault.
//	    = error-comes-in-turn error-of-a-broken-frame send-refused
//	      frame.TestDecodeErrorHoldsWhatWasRead
//	I17 SHOULD 1.1+ ERROR with a body carries content-length and content-type.
//	    = send-refused
//	I18 MAY    1.1+ A frame that no client sends gets ERROR and a close.
//	    = frame-command-of-servers frame-unknown-command TestStateTable
//
// # Requirements: WebSocket
//
//	J1  -      all  The subprotocols are v10.stomp, v11.stomp and v12.stomp; a client may do
//	                without.
//	    = subprotocol-limits-the-version subprotocol-none subprotocol-older-than-the-client
//	      subprotocol-unknown subprotocol TestSubprotocol TestSubprotocolLimitsTheVersion
//	J2  -      all  Frames and WebSocket messages need not line up.
//	    = limit-frame-in-pieces pieces-of-one-octet pieces-with-several-frames frame.TestAnySplit
//	      frame.FuzzSplit
//	J3  -      all  Text and binary messages are taken, mixed too.
//	    = pieces-of-one-octet pieces-text-and-binary
//	J4  -      all  What is not UTF-8 goes out in a binary message.
//	    = body-without-content-type TestTextWhereverItIsText transport.TestFrameKinds
//	J5  -      all  A text message that is not UTF-8 ends the connection with 1007.
//	    = transport.TestTextMustBeUTF8
//	J6  -      all  A heart-beat is a message of one LF.
//	    = beat-client-wants-less TestABeatIsOneLineEnd
//	J7  -      all  SockJS carries text alone.
//	    = TestOctetsOverSockJS
//	    ~ Bodies that are not UTF-8 do not reach its clients unchanged: a matter of its wire.
package stompadapter
