import { gatewayErrors } from '../../routing/errors/gateway-errors.ts'
import type { Exchange } from '../http1/server/exchange.ts'
import { errorBody } from '../answer/error.ts'
import type { Fault } from '../body/request-faults.ts'
import { createRequestId } from './request-id.ts'

/** The answer to bytes that do not begin an HTTP request. It is not recorded. */
export function answerNoRequest(exchange: Exchange, { code, detail }: Fault): void {
  const id = createRequestId(Date.now())
  const headers = ['content-type', 'application/json', 'x-request-id', id, 'x-signalbox-attempts', '0']
  exchange.answer(gatewayErrors[code].status, headers, errorBody(code, 'openai', id, detail))
}
