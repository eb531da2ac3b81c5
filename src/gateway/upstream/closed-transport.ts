import type { AnswerReceiver, CallRequest, UpstreamExchange, UpstreamTransport } from '../http1/client/exchange.ts'

/** Leads nowhere: whatever is to take it fails like a call of an upstream that cannot be reached, so that another is asked. */
export class ClosedTransport implements UpstreamTransport {
  readonly #error: Error

  constructor(error: Error) {
    this.#error = error
  }

  dispatch(_: CallRequest, receiver: AnswerReceiver): UpstreamExchange {
    receiver.onFailure(this.#error)
    return failedExchange
  }
}

const failedExchange: UpstreamExchange = { pause: () => {}, resume: () => {}, abort: () => {} }
