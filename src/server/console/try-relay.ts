import { type IncomingMessage, request as sendPlain, type ServerResponse } from 'node:http'
import { request as sendEncrypted } from 'node:https'

const noGateway =
  'No gateway listens in this process. Where gateways are processes of their own, set SIGNALBOX_GATEWAY_URL to their address.'

/**
 * Passes a chat of the console on to the gateway of this process, with the key that the page sent, and the answer back with the gateway's
 * own headers: the gateway is another origin, which a browser asks only where it allows that. The gateway decides, as for anyone else.
 */
export function relayTry(request: IncomingMessage, response: ServerResponse, gatewayUrl: string | undefined): void {
  const { authorization } = request.headers
  // A page of another origin cannot send this header without a CORS preflight, which is refused.
  if (!authorization) return refuse(response, 401, 'Send the key as `Authorization: Bearer …`.')
  if (!gatewayUrl) return refuse(response, 503, noGateway)
  const headers = {
    authorization,
    'content-type': 'application/json',
    ...(request.headers['content-length'] && { 'content-length': request.headers['content-length'] }),
  }
  const send = gatewayUrl.startsWith('https:') ? sendEncrypted : sendPlain
  const onward = send(`${gatewayUrl}/v1/chat/completions`, { method: 'POST', headers })
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, { ...shownHeaders(answer), 'cache-control': 'no-store' })
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  })
  onward.on('error', () => {
    if (response.headersSent) response.destroy()
    else refuse(response, 502, 'The gateway did not answer.')
  })
  response.once('close', () => onward.destroy())
  request.pipe(onward)
}

/** What the gateway says of the request, and what is needed to read the answer. */
function shownHeaders({ headers }: IncomingMessage): Record<string, string> {
  const shown = Object.entries(headers).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && /^(x-|content-type$|content-encoding$|retry-after)/.test(entry[0]),
  )
  return Object.fromEntries(shown)
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify({ error: { message } }))
}
