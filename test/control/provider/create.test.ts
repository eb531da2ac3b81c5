import { expect, test } from 'vitest'
import { createProvider } from '../../../src/control/provider/create.ts'
import { removeProvider } from '../../../src/control/provider/delete.ts'
import { updateProvider } from '../../../src/control/provider/update.ts'
import { createRoute } from '../../../src/control/route/create.ts'
import { removeRoute } from '../../../src/control/route/delete.ts'
import {
  administrator,
  expectCompiledWhole,
  openTestControl,
  refusalOf,
  type TestControl,
  valueOf,
} from '../../support/control.ts'

const baseUrl = 'http://10.0.0.7:8000/v1'
const secrets = ['sk-first-0123456789', 'sk-second-0123456789']

function stored(control: TestControl, id: string) {
  const provider = control.snapshots.current().providers.get(id)
  if (!provider) throw new Error(`${id} is not there`)
  return provider
}

function modelNames(control: TestControl, id: string): (string | undefined)[] {
  const { backends } = control.snapshots.current()
  return stored(control, id).modelIds.map((modelId) => backends.get(modelId)?.upstreamModel)
}

test('a provider of a known service needs no base URL, and its models get the categories that their names suggest', async () => {
  await using control = await openTestControl()
  const id = valueOf(
    await createProvider(control, administrator, {
      name: 'OpenAI',
      kind: 'OPENAI',
      secrets,
      headers: [{ name: 'OpenAI-Organization', value: 'org-1' }],
      proxyUrl: 'http://10.0.0.9:3128/',
      models: [
        { upstreamModel: 'gpt-5' },
        { upstreamModel: 'text-embedding-3-small', pricing: { inputPerMillion: '00.02', outputPerMillion: '0' } },
        { upstreamModel: 'gpt-image-1', categories: ['IMAGE', 'LLM', 'IMAGE'] },
      ],
    }),
  )
  expect(stored(control, id)).toMatchObject({
    baseUrl: 'https://api.openai.com/v1',
    proxyUrl: 'http://10.0.0.9:3128',
    credentials: secrets.map((secret) => ({ secret })),
    headers: [{ name: 'OpenAI-Organization', value: 'org-1' }],
  })
  const models = stored(control, id).modelIds.map((modelId) => control.snapshots.current().backends.get(modelId)!)
  expect(models.map(({ label, categories, pricing }) => [label, categories, pricing?.inputPerMillion])).toEqual([
    ['OpenAI/gpt-5', ['LLM'], undefined],
    ['OpenAI/text-embedding-3-small', ['EMBEDDING'], '0.02'],
    ['OpenAI/gpt-image-1', ['IMAGE', 'LLM'], undefined],
  ])
  await expectCompiledWhole(control)
})

test('neither a table nor the audit log shows a secret or the value of a header', async () => {
  await using control = await openTestControl()
  const headers = [{ name: 'x-team', value: 'value-0123456789' }]
  const id = valueOf(await createProvider(control, administrator, { name: 'p', baseUrl, secrets, headers }))
  valueOf(await updateProvider(control, administrator, { provider: { id }, secrets: ['sk-third-0123456789'] }))
  valueOf(await removeProvider(control, administrator, { provider: { id } }))
  for (const table of ['audit_entry', 'provider_credential', 'provider_header', 'idempotency_key'] as const) {
    const rows = JSON.stringify(await control.db.selectFrom(table).selectAll().execute())
    expect(rows).not.toMatch(/sk-first|sk-second|sk-third|value-0123/)
  }
  const rows = await control.db.selectFrom('audit_entry').select(['action', 'changes']).orderBy('id').execute()
  expect(rows.map((row) => row.action)).toEqual(['providerCreate', 'providerUpdate', 'providerDelete'])
  expect(rows[1]?.changes).toEqual([{ field: 'secrets', before: '"***"', after: '"***"' }])
  expect(rows[0]?.changes).toContainEqual({ field: 'headerNames', before: null, after: '["x-team"]' })
})

test.each([
  [
    'an unknown host of an OpenAI-compatible server without a path',
    { baseUrl: 'http://10.0.0.7:8000/' },
    'INVALID',
    'baseUrl',
  ],
  ['no base URL where no public endpoint exists', { kind: 'AZURE_OPENAI' }, 'INVALID', 'baseUrl'],
  ['credentials in the base URL', { baseUrl: 'http://user:pass@10.0.0.7/v1' }, 'INVALID', 'baseUrl'],
  ['an address that may not be called', { baseUrl: 'http://192.0.2.1/v1' }, 'UNSAFE_URL', 'baseUrl'],
  ['a proxy that may not be called', { baseUrl, proxyUrl: 'http://192.0.2.1:3128' }, 'UNSAFE_URL', 'proxyUrl'],
  ['a proxy with a path', { baseUrl, proxyUrl: 'http://10.0.0.9:3128/x' }, 'INVALID', 'proxyUrl'],
  ['a name with control characters', { baseUrl, name: 'a\nb' }, 'INVALID', 'name'],
  ['a secret with a line break', { baseUrl, secrets: ['good', 'sk-1\r\nx: y'] }, 'INVALID', 'secrets.1'],
  ['the same secret twice', { baseUrl, secrets: ['good', 'good'] }, 'INVALID', 'secrets.1'],
  ['17 secrets', { baseUrl, secrets: Array.from({ length: 17 }, (_, i) => `sk-${i}`) }, 'LIMIT_EXCEEDED', 'secrets'],
  [
    'a header of the connection',
    { baseUrl, headers: [{ name: 'Connection', value: 'x' }] },
    'INVALID',
    'headers.0.name',
  ],
  [
    'the header of the credential',
    { baseUrl, headers: [{ name: 'authorization', value: 'x' }] },
    'INVALID',
    'headers.0.name',
  ],
  ['a header that is no token', { baseUrl, headers: [{ name: 'x y', value: 'x' }] }, 'INVALID', 'headers.0.name'],
  [
    'a value with a line break',
    { baseUrl, headers: [{ name: 'x', value: 'a\r\nb: c' }] },
    'INVALID',
    'headers.0.value',
  ],
  [
    'a header twice',
    {
      baseUrl,
      headers: [
        { name: 'x', value: '1' },
        { name: 'X', value: '2' },
      ],
    },
    'INVALID',
    'headers.1.name',
  ],
  [
    'a model twice',
    { baseUrl, models: [{ upstreamModel: 'm' }, { upstreamModel: 'm' }] },
    'INVALID',
    'models.1.upstreamModel',
  ],
  [
    'a model without a category',
    { baseUrl, models: [{ upstreamModel: 'm', categories: [] }] },
    'INVALID',
    'models.0.categories',
  ],
  [
    '501 models',
    { baseUrl, models: Array.from({ length: 501 }, (_, i) => ({ upstreamModel: `m${i}` })) },
    'LIMIT_EXCEEDED',
    'models',
  ],
  [
    'a price below 0',
    { baseUrl, models: [{ upstreamModel: 'm', pricing: { inputPerMillion: '-1', outputPerMillion: '1' } }] },
    'INVALID',
    'models.0.pricing.inputPerMillion',
  ],
] as const)('%s is refused at its place', async (_what, input, code, path) => {
  await using control = await openTestControl()
  const answer = await createProvider(control, administrator, { name: 'p', ...input })
  expect(refusalOf(answer)).toMatchObject({ code, path: ['input', ...path.split('.')] })
  expect(control.snapshots.current().version).toBe(0)
})

test('500 models and 16 secrets are no problem, and the order of both is kept', async () => {
  await using control = await openTestControl()
  const models = Array.from({ length: 500 }, (_, i) => ({ upstreamModel: `m-${i}` }))
  const many = Array.from({ length: 16 }, (_, i) => `sk-${i}`)
  const id = valueOf(await createProvider(control, administrator, { name: 'p', baseUrl, models, secrets: many }))
  const idsBefore = new Map(stored(control, id).modelIds.map((modelId, i) => [`m-${i}`, modelId]))
  valueOf(
    await updateProvider(control, administrator, {
      provider: { id },
      models: models.toReversed(),
      secrets: many.toReversed(),
    }),
  )
  expect(modelNames(control, id)).toEqual(models.map((model) => model.upstreamModel).toReversed())
  expect(stored(control, id).modelIds).toEqual([...idsBefore.values()].toReversed())
  expect(stored(control, id).credentials.map((credential) => credential.secret)).toEqual(many.toReversed())
  await expectCompiledWhole(control)
})

test('a secret that is given again keeps its id and the time it was made', async () => {
  await using control = await openTestControl()
  const id = valueOf(await createProvider(control, administrator, { name: 'p', baseUrl, secrets }))
  const read = () => control.db.selectFrom('provider_credential').selectAll().orderBy('position').execute()
  const before = await read()
  valueOf(await updateProvider(control, administrator, { provider: { id }, secrets: ['new', secrets[1]!] }))
  const after = await read()
  expect(after.map((row) => row.hint)).toEqual(['****', '6789'])
  expect(after[1]).toMatchObject({ id: before[1]!.id, created_at: before[1]!.created_at })
  expect(before.map((row) => row.id)).not.toContain(after[0]!.id)
})

test('an update that says what is already so makes no revision; anything else makes one', async () => {
  await using control = await openTestControl()
  const models = [{ upstreamModel: 'm', pricing: { inputPerMillion: '1.50', outputPerMillion: '2' } }]
  const headers = [{ name: 'x-a', value: '1' }]
  const given = { baseUrl, secrets, headers, models, description: 'd' }
  const created = await createProvider(control, administrator, { name: 'p', ...given })
  const provider = { name: 'p' }
  const same = await updateProvider(control, administrator, {
    provider,
    ...given,
    state: 'ACTIVE',
    expectedRevision: 1,
  })
  expect(same).toEqual(created)
  const changed = await updateProvider(control, administrator, { provider, state: 'DISABLED', expectedRevision: 1 })
  expect(changed).toMatchObject({ ok: true, version: 2 })
  const conflict = refusalOf(await updateProvider(control, administrator, { provider, name: 'q', expectedRevision: 1 }))
  expect(conflict).toMatchObject({ code: 'REVISION_CONFLICT', actualRevision: 2, currentId: valueOf(created) })
  const states = [...control.snapshots.current().backends.values()].map((backend) => backend.state)
  expect(states).toEqual(['DISABLED'])
})

test('a name that is taken is refused, also when two take it at once', async () => {
  await using control = await openTestControl()
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => createProvider(control, administrator, { name: 'p', baseUrl })),
  )
  expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
  for (const answer of answers.filter((each) => !each.ok))
    expect(refusalOf(answer)).toMatchObject({ code: 'TAKEN', path: ['input', 'name'] })
})

test('with the same idempotency key a provider is made once, by whomever it is asked at once', async () => {
  await using control = await openTestControl()
  const input = { name: 'p', baseUrl, secrets, idempotencyKey: 'k' }
  const answers = await Promise.all(Array.from({ length: 5 }, () => createProvider(control, administrator, input)))
  expect(new Set(answers.map((answer) => valueOf(answer))).size).toBe(1)
  expect(control.snapshots.current().version).toBe(1)
  const other = await createProvider(control, administrator, { ...input, name: 'q' })
  expect(refusalOf(other)).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] })
})

test('what is stored goes to no other host than the one it was entered for', async () => {
  await using control = await openTestControl()
  const headers = [{ name: 'x-key', value: 'secret' }]
  const id = valueOf(await createProvider(control, administrator, { name: 'p', baseUrl, secrets, headers }))
  const provider = { id }
  const elsewhere = 'http://10.0.0.8:8000/v1'
  for (const given of [{}, { secrets }, { headers }])
    expect(
      refusalOf(await updateProvider(control, administrator, { provider, baseUrl: elsewhere, ...given })),
    ).toMatchObject({ code: 'FAILED_PRECONDITION', path: ['input', 'baseUrl'] })
  const byProxy = await updateProvider(control, administrator, { provider, proxyUrl: 'http://10.0.0.9:3128' })
  expect(refusalOf(byProxy)).toMatchObject({ code: 'FAILED_PRECONDITION', path: ['input', 'proxyUrl'] })
  expect(stored(control, id)).toMatchObject({ baseUrl, proxyUrl: null })

  valueOf(await updateProvider(control, administrator, { provider, baseUrl: elsewhere, secrets: [], headers: [] }))
  expect(stored(control, id)).toMatchObject({ baseUrl: elsewhere, credentials: [], headers: [] })
  valueOf(await updateProvider(control, administrator, { provider, baseUrl }))
  expect(stored(control, id).baseUrl).toBe(baseUrl)
})

test('a model that a route uses cannot be left out, nor its provider removed; the rest can', async () => {
  await using control = await openTestControl()
  const models = ['a', 'b', 'c'].map((upstreamModel) => ({ upstreamModel }))
  const id = valueOf(await createProvider(control, administrator, { name: 'p', baseUrl, models }))
  const backend = (model: string) => ({ providerModel: { provider: 'p', model } })
  const routeId = valueOf(
    await createRoute(control, administrator, {
      name: 'r',
      targets: [{ backend: backend('a') }],
      fallback: { backends: [backend('b')] },
    }),
  )
  const keep = (...names: string[]) =>
    updateProvider(control, administrator, {
      provider: { id },
      models: names.map((upstreamModel) => ({ upstreamModel })),
    })
  for (const answer of [await keep('b', 'c'), await keep('a', 'c'), await keep()])
    expect(refusalOf(answer)).toMatchObject({ code: 'IN_USE', path: ['input', 'models'], usedByIds: [routeId] })
  expect(refusalOf(await removeProvider(control, administrator, { provider: { id } }))).toMatchObject({
    code: 'IN_USE',
    usedByIds: [routeId],
  })

  valueOf(await keep('d', 'b', 'a'))
  expect(modelNames(control, id)).toEqual(['d', 'b', 'a'])
  await expectCompiledWhole(control)

  valueOf(await removeRoute(control, administrator, { route: { id: routeId } }))
  valueOf(await removeProvider(control, administrator, { provider: { id }, expectedRevision: 2 }))
  expect(control.snapshots.current().backends.size).toBe(0)
  expect(refusalOf(await removeProvider(control, administrator, { provider: { id } }))).toMatchObject({
    code: 'NOT_FOUND',
    path: ['input', 'provider'],
  })
  await expectCompiledWhole(control)
})

test('renaming a provider renames its models and leaves routes as they are', async () => {
  await using control = await openTestControl()
  const id = valueOf(
    await createProvider(control, administrator, { name: 'p', baseUrl, models: [{ upstreamModel: 'm' }] }),
  )
  const targets = [{ backend: { providerModel: { provider: 'p', model: 'm' } } }]
  const routeId = valueOf(await createRoute(control, administrator, { name: 'r', targets }))
  const before = control.snapshots.current().routesById.get(routeId)
  valueOf(await updateProvider(control, administrator, { provider: { id }, name: 'q' }))
  const snapshot = control.snapshots.current()
  expect(snapshot.routesById.get(routeId)).toEqual(before)
  expect([...snapshot.backends.values()].map((backend) => backend.label)).toEqual(['q/m'])
  await expectCompiledWhole(control)
})

test('a route that takes a model while it is left out, or a provider while it is removed, never loses it', async () => {
  await using control = await openTestControl()
  for (let round = 0; round < 10; round++) {
    const name = `p${round}`
    const models = [{ upstreamModel: 'm' }]
    const id = valueOf(await createProvider(control, administrator, { name, baseUrl, models }))
    const targets = [{ backend: { providerModel: { provider: name, model: 'm' } } }]
    const [route, removed] = await Promise.all([
      createRoute(control, administrator, { name: `r${round}`, targets }),
      round % 2 === 0
        ? removeProvider(control, administrator, { provider: { id } })
        : updateProvider(control, administrator, { provider: { id }, models: [] }),
    ])
    expect(route.ok).not.toBe(removed.ok)
    await expectCompiledWhole(control)
  }
})
