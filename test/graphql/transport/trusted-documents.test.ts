import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient as createWebSocketClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { readTrustedDocuments } from '../../../src/server/configuration/trusted-documents.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

const who = 'query Who { viewer { scopes } }\n'
const other = '{ routes { totalCount } }'
const idOf = (text: string) => createHash('sha256').update(text).digest('hex')

let folder: string
let api: TestApi
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-documents-'))
  await writeFile(join(folder, 'who.graphql'), who)
  await writeFile(join(folder, 'relay.json'), JSON.stringify({ relay1: 'query Relay { viewer { scopes } }' }))
  const apollo = { format: 'apollo-persisted-query-manifest', version: 1 }
  const operations = [{ id: 'apollo1', name: 'Apollo', type: 'query', body: 'query Apollo { viewer { scopes } }' }]
  await writeFile(join(folder, 'apollo.json'), JSON.stringify({ ...apollo, operations }))
  await writeFile(join(folder, 'README.md'), 'Not a document.')
  api = await openTestApi({ trusted: await readTrustedDocuments(folder) })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const hashed = (sha256Hash: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } })

test.each([idOf(who), 'relay1', 'apollo1'])('the document %s of the folder is run', async (id) => {
  const { status, body } = await api.graphql.post(hashed(id))
  expect([status, body.errors]).toEqual([200, undefined])
  expect(body.data).toMatchObject({ viewer: {} })
})

test.each([
  ['another document', { query: other }],
  ['a text beside an id', { query: other, ...hashed('relay1') }],
  ['a trusted text', { query: who }],
  ['an id that is not listed', hashed(idOf(other))],
  ['an id that is a name of objects', hashed('__proto__')],
  ['nothing', {}],
])('%s is refused', async (_what, request) => {
  const { body } = await api.graphql.post(request)
  expect(body.data ?? null).toBeNull()
  expect(body.errors).toMatchObject([{ extensions: { code: 'DOCUMENT_NOT_TRUSTED' } }])
})

test('over WebSocket only trusted documents are run, too', async () => {
  const client = createWebSocketClient({
    url: `${api.url.replace('http', 'ws')}/graphql`,
    connectionParams: { authorization: `Bearer ${api.adminKey}` },
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
  const ask = async (payload: { query: string; extensions?: Record<string, unknown> }) =>
    (await client.iterate(payload).next()).value as unknown
  expect(await ask({ query: who })).toMatchObject({ data: { viewer: {} } })
  expect(await ask({ query: '', ...hashed('relay1') })).toMatchObject({ data: { viewer: {} } })
  await expect(ask({ query: other })).rejects.toMatchObject([{ extensions: { code: 'DOCUMENT_NOT_TRUSTED' } }])
  await client.dispose()
})

test('a folder that cannot be used is told with the name of the variable', async () => {
  await expect(readTrustedDocuments(join(folder, 'nowhere'))).rejects.toThrow(/SIGNALBOX_TRUSTED_DOCUMENTS_DIR.*ENOENT/)
  const own = await mkdtemp(join(tmpdir(), 'signalbox-documents-'))
  await expect(readTrustedDocuments(own)).rejects.toThrow(/no documents/)
  await writeFile(join(own, 'broken.json'), '{"a": 1}')
  await expect(readTrustedDocuments(own)).rejects.toThrow(/broken\.json is no manifest/)
  await rm(own, { recursive: true })
})
