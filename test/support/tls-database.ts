/** A PostgreSQL server behind TLS, as its clients see it: it answers the request for TLS, or says that it has none. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { SelfSigned } from './self-signed.ts'

export interface TlsDatabase extends AsyncDisposable {
  /** Without TLS parameters, and with `localhost` as its host. */
  readonly url: string
  /** Connections that were made with TLS. */
  readonly encryptedCount: () => number
}

export interface TlsDatabaseOptions {
  /** None: it offers no TLS. */
  readonly certificate?: SelfSigned
  /** PEM of the authority whose certificate a client must have. */
  readonly clientAuthority?: string
}

/** As sslRequest of the protocol: its length and 80877103. */
const tlsRequest = Buffer.from('0000000804d2162f', 'hex')

/** `url` is that of `openTestDatabase`: with the folder of a Unix socket. */
export async function openTlsDatabase(url: string, options: TlsDatabaseOptions): Promise<TlsDatabase> {
  const sockets = new Set<Socket>()
  let encrypted = 0
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => client.destroy())
    client.once('data', (bytes) => {
      if (!bytes.equals(tlsRequest)) return relayTo(client, url, bytes)
      if (!options.certificate) return void client.write('N')
      client.write('S')
      const secure = new TLSSocket(client, {
        isServer: true,
        secureContext: createSecureContext({ ...options.certificate, ca: options.clientAuthority }),
        requestCert: options.clientAuthority !== undefined,
        rejectUnauthorized: options.clientAuthority !== undefined,
      })
      secure.on('error', () => client.destroy())
      secure.once('secure', () => encrypted++)
      return relayTo(secure, url)
    })
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const direct = new URL(url)
  return {
    url: `postgres://${direct.username}@localhost:${(server.address() as AddressInfo).port}${direct.pathname}`,
    encryptedCount: () => encrypted,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await Promise.resolve()
    },
  }
}

function relayTo(client: Socket, url: string, first?: Buffer): void {
  const upstream = connect(join(new URL(url).searchParams.get('host') ?? '', '.s.PGSQL.5432'))
  if (first) upstream.write(first)
  upstream.on('error', () => client.destroy())
  client.once('close', () => upstream.destroy())
  client.pipe(upstream).pipe(client)
}
