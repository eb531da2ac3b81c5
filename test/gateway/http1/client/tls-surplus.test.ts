/** What an upstream says behind its answer, where TLS hands both on in one turn of the event loop. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { UpstreamConnections } from '../../../../src/gateway/upstream/connections.ts'
import type { AnswerReceiver, UpstreamTransport } from '../../../../src/gateway/http1/client/exchange.ts'
import { createSelfSigned } from '../../../support/self-signed.ts'
import { until } from '../../../support/until.ts'

const answer = (body: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Passes bytes on to a port; what comes back is gathered until nothing more comes for a moment. */
function gatheringHop(port: number, sockets: Socket[]): Server {
  return createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let gathered: Buffer[] = []
    const passOn = () => {
      client.write(Buffer.concat(gathered))
      gathered = []
    }
    let timer: NodeJS.Timeout | undefined
    sockets.push(client, upstream)
    client.on('error', () => {}).on('close', () => upstream.destroy())
    upstream.on('error', () => {}).on('close', () => client.destroy())
    client.pipe(upstream)
    upstream.on('data', (bytes) => {
      gathered.push(bytes)
      clearTimeout(timer)
      timer = setTimeout(passOn, 20)
    })
  })
}

/** The bodies of requests, each made from within the end of the one before it. */
async function bodiesOfChain(way: UpstreamTransport, length: number): Promise<string[]> {
  const outcomes: string[] = []
  const ask = () => {
    let body = ''
    const receiver: AnswerReceiver = {
      onResend: () => {},
      onSending: () => {},
      onSent: () => {},
      onHead: () => {},
      onBody: (chunk) => void (body += chunk.toString()),
      onEnd: () => end(body),
      onFailure: () => end('failed'),
    }
    way.dispatch({ origin: '', target: '/', headers: 'host: localhost\r\n', body: [], length: 0 }, receiver)
  }
  const end = (outcome: string) => {
    outcomes.push(outcome)
    if (outcomes.length < length) ask()
  }
  ask()
  await until(() => outcomes.length === length)
  return outcomes
}

test('a second answer that nobody asked for is never read as the answer to the next request', async () => {
  const { key, cert } = createSelfSigned()
  const sockets: Socket[] = []
  const server = createTlsServer({ key, cert, noDelay: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', () => {
      socket.write(answer('true'))
      socket.write(answer('stray'))
    })
  })
  const hop = gatheringHop(await listen(server), sockets)
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, cert])
  try {
    await using connections = new UpstreamConnections(() => true)
    const way = connections.toDeployment(`https://localhost:${await listen(hop)}`)
    const bodies = await bodiesOfChain(way, 20)
    expect(bodies).toContain('true')
    expect(bodies).not.toContain('stray')
  } finally {
    setDefaultCACertificates(trusted)
    for (const socket of sockets) socket.destroy()
    server.close()
    hop.close()
  }
})
