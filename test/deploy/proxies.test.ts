/** Signalbox behind nginx and Caddy, over TLS, with the files that are shipped: streams, clients that leave, large bodies, subscriptions. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { type Product, startProduct } from '../support/product.ts'
import { stream } from '../support/replies.ts'
import { createSelfSigned } from '../support/self-signed.ts'
import { until } from '../support/until.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'
import { freePort, isListening } from '../support/ports.ts'

const deploy = join(import.meta.dirname, '../../deploy')
const models = 'models.example.com'
const operators = 'console.example.com'

let folder: string
let product: Product
let upstream: Upstream

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbx-proxies-'))
  await chmod(folder, 0o755)
  upstream = await openUpstream({ name: 'llama' })
  product = await startProduct()
  await product.graphql.change(
    `mutation ($url: URL!) { deploymentCreate(input: { name: "llama", endpoints: [{ url: $url }] }) { userErrors { message code path } } }`,
    { url: upstream.baseUrl },
  )
})
afterAll(async () => {
  await product.stop()
  await upstream.close()
  await rm(folder, { recursive: true, force: true })
})

const addresses = (text: string) =>
  text
    .replaceAll('127.0.0.1:8080', new URL(product.gatewayUrl).host)
    .replaceAll('127.0.0.1:4000', new URL(product.apiUrl).host)

interface ProxyProgram {
  readonly name: string
  readonly isHere: boolean
  /** Starts it on this port, with what it needs to know besides the shipped file. */
  readonly start: (port: number) => Promise<ChildProcess>
}

const nginx: ProxyProgram = {
  name: 'nginx',
  isHere: spawnSync('nginx', ['-v']).status === 0,
  async start(port) {
    const { key, cert } = createSelfSigned()
    await writeFile(join(folder, 'privkey.pem'), key)
    await writeFile(join(folder, 'fullchain.pem'), cert)
    const site = addresses(await readFile(join(deploy, 'nginx/signalbox.conf'), 'utf8'))
      .replaceAll('listen 443 ', `listen 127.0.0.1:${port} `)
      .replaceAll('/etc/ssl/signalbox/', `${folder}/`)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((what) => `${what}_temp_path ${folder}/${what};`)
      .join(' ')
    const file = join(folder, 'nginx.conf')
    const main = `daemon off; pid ${folder}/nginx.pid; error_log stderr; events {}`
    await writeFile(file, `${main} http { access_log off; ${temporary} ${site} }`)
    return spawn('nginx', ['-p', folder, '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  },
}

const caddy: ProxyProgram = {
  name: 'Caddy',
  isHere: spawnSync('caddy', ['version']).status === 0,
  async start(port) {
    // Certificates of its own, instead of some that it would fetch.
    const options = `{\n admin off\n https_port ${port}\n auto_https disable_redirects\n local_certs\n skip_install_trust\n}\n`
    const file = join(folder, 'Caddyfile')
    await writeFile(file, options + addresses(await readFile(join(deploy, 'caddy/Caddyfile'), 'utf8')))
    const env = { ...process.env, XDG_DATA_HOME: join(folder, 'caddy'), XDG_CONFIG_HOME: join(folder, 'caddy') }
    return spawn('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  },
}

for (const program of [nginx, caddy]) {
  if (!program.isHere) process.stderr.write(`SKIPPED: ${program.name} is not installed\n`)
  describe.skipIf(!program.isHere)(`behind ${program.name}`, () => {
    let port: number
    let child: ChildProcess
    const said: string[] = []

    beforeAll(async () => {
      port = await freePort()
      child = await program.start(port)
      child.stderr!.setEncoding('utf8').on('data', (text: string) => void said.push(text))
      await until(async () => child.exitCode !== null || (await isListening(port)))
      if (child.exitCode !== null) throw new Error(said.join(''))
      // Caddy makes its certificates after it listens.
      for (const host of [models, operators])
        await until(() =>
          send(host, '/', '').then(
            (answer) => answer.resume().readable,
            () => false,
          ),
        )
    })
    afterAll(async () => {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    })

    const send = async (host: string, path: string, body: string): Promise<IncomingMessage> => {
      const outgoing = httpsRequest({
        host: '127.0.0.1',
        port,
        path,
        method: 'POST',
        servername: host,
        rejectUnauthorized: false,
        headers: {
          host,
          authorization: `Bearer ${product.adminKey}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          ...(host === operators && { accept: 'text/event-stream' }),
        },
      })
      outgoing.end(body)
      const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
      return answer
    }
    const ask = (message: object) =>
      send(models, '/v1/chat/completions', JSON.stringify({ model: 'llama', messages: [], ...message }))

    test('each event of a stream arrives before the next one is sent', async () => {
      const events = Array.from({ length: 20 }, (_, n) => ({
        id: 'c',
        object: 'chat.completion.chunk',
        choices: [{ index: 0, delta: { content: `word-${n};` }, finish_reason: null }],
      }))
      const seen = events.map(() => Promise.withResolvers<void>())
      // Something that gathers events would wait for ever.
      const beforeEvent = (n: number) => (n === 0 ? undefined : seen[n - 1]!.promise)
      upstream.answerNext(stream([...events, 'data: [DONE]\n\n'], { beforeEvent }))
      const answer = await ask({ stream: true })
      expect(answer.statusCode).toBe(200)
      let text = ''
      for await (const piece of answer.setEncoding('utf8')) {
        text += piece as string
        events.forEach((_, n) => text.includes(`word-${n};`) && seen[n]!.resolve())
      }
      expect(text).toContain('data: [DONE]')
    })

    test('a client that leaves is seen by the upstream', async () => {
      const never = Promise.withResolvers<void>()
      const first = { id: 'c', choices: [{ index: 0, delta: { content: 'first' }, finish_reason: null }] }
      upstream.answerNext(stream([first, first], { beforeEvent: (n) => (n === 1 ? never.promise : undefined) }))
      const before = upstream.inferences.length
      const answer = await ask({ stream: true })
      await once(answer, 'data')
      answer.destroy()
      await upstream.inferences[before]!.closed
      expect(upstream.inferences[before]!.finished).toBe(false)
    })

    test('a large body passes', async () => {
      const before = upstream.inferences.length
      const content = 'a'.repeat(20_000_000)
      const answer = await ask({ messages: [{ role: 'user', content }] })
      expect(answer.statusCode).toBe(200)
      answer.resume()
      expect(upstream.inferences[before]!.body.length).toBeGreaterThan(content.length)
    })

    test('a subscription lives over server-sent events', async () => {
      const query = 'subscription { configChanged { version } }'
      const answer = await send(operators, '/graphql', JSON.stringify({ query }))
      expect(answer.statusCode).toBe(200)
      let text = ''
      answer.setEncoding('utf8').on('data', (piece: string) => void (text += piece))
      // Whenever it began to listen: a change after that is told.
      for (let n = 0; !text.includes('"version"'); n++) await describeRoute(`${program.name} events ${n}`)
      answer.destroy()
    })

    test('a subscription lives over WebSocket', async () => {
      class OfOperators extends WebSocket {
        constructor(_url: string | URL, protocols?: string | string[]) {
          // `servername` goes to node:tls, which the type does not say.
          const tls: ClientOptions & { servername: string } = { rejectUnauthorized: false, servername: operators }
          super(`wss://127.0.0.1:${port}/graphql`, protocols, { ...tls, headers: { host: operators } })
        }
      }
      const client = createClient({
        url: `wss://${operators}/graphql`,
        webSocketImpl: OfOperators,
        connectionParams: { authorization: `Bearer ${product.adminKey}` },
        retryAttempts: 0,
      })
      const events = client.iterate({ query: 'subscription { configChanged { version } }' })
      const next = events.next()
      const heard: unknown[] = []
      void next.then((event) => heard.push(event))
      for (let n = 0; heard.length === 0; n++) await describeRoute(`${program.name} socket ${n}`)
      expect(await next).toMatchObject({ value: { data: { configChanged: { version: expect.any(Number) } } } })
      await client.dispose()
    })
  })
}

/** A change of the configuration. */
function describeRoute(text: string): Promise<unknown> {
  return product.graphql.change(
    `mutation ($text: String!) { routeUpdate(input: { route: { name: "llama" }, description: $text }) { userErrors { message code path } } }`,
    { text },
  )
}
