import { expect, test } from 'vitest'
import { createProvider, type ProviderCreateInput } from '../../../src/control/provider/create.ts'
import { testProviderModel } from '../../../src/control/provider/model-test.ts'
import { administrator, openTestControl, refusalOf, type TestControl, valueOf } from '../../support/control.ts'
import { reset, status } from '../../support/replies.ts'
import { openUpstream, refusingBaseUrl } from '../../support/upstream.ts'

const secret = 'sk-test-0123456789'

async function makeProvider(control: TestControl, input: Partial<ProviderCreateInput>) {
  const models = [{ upstreamModel: 'm', categories: ['LLM' as const] }]
  valueOf(await createProvider(control, administrator, { name: 'p', secrets: [secret], models, ...input }))
}

test.each([
  ['LLM', '/v1/chat/completions'],
  ['UNKNOWN', '/v1/chat/completions'],
  ['EMBEDDING', '/v1/embeddings'],
  ['RERANKER', '/v1/rerank'],
  ['IMAGE', '/v1/images/generations'],
  ['TEXT_TO_SPEECH', '/v1/audio/speech'],
  ['SPEECH_TO_TEXT', '/v1/audio/transcriptions'],
] as const)('a model of the category %s is asked at %s', async (category, path) => {
  await using control = await openTestControl()
  await using upstream = await openUpstream({ models: ['m'], secret })
  await makeProvider(control, { baseUrl: upstream.baseUrl, models: [{ upstreamModel: 'm', categories: [category] }] })
  const tested = valueOf(await testProviderModel(control, { provider: { name: 'p' }, model: 'm' }))
  expect(tested).toMatchObject({ ok: true, status: 200, fault: null })
  expect(upstream.requests.map((request) => request.path)).toEqual([path])
})

test('a language model is asked for a few tokens, in the way of its vendor', async () => {
  await using control = await openTestControl()
  await using upstream = await openUpstream()
  const bodies = []
  for (const kind of ['OPENAI_COMPATIBLE', 'OPENAI', 'ANTHROPIC'] as const) {
    await makeProvider(control, { name: kind, kind, baseUrl: upstream.baseUrl })
    valueOf(await testProviderModel(control, { provider: { name: kind }, model: 'm' }))
    bodies.push({ path: upstream.requests.at(-1)?.path, ...upstream.requests.at(-1)?.json() })
  }
  expect(bodies).toMatchObject([
    { path: '/v1/chat/completions', max_tokens: 16 },
    { path: '/v1/chat/completions', max_completion_tokens: 512 },
    { path: '/v1/messages', max_tokens: 16 },
  ])
  expect(upstream.requests.at(-1)?.headers).toMatchObject({ 'x-api-key': secret, 'anthropic-version': '2023-06-01' })
})

test.each([
  ['a bad secret', status(401), 401, /does not accept the secret/],
  ['a model that it does not know', status(404), 404, /does not know the model/],
  ['a failure', status(500), 500, /the server itself failed/],
  ['a web page', status(200, '\n<!DOCTYPE html><p>Hello'), 200, /web page/],
  ['a reset', reset(), null, /closed the connection/],
] as const)('%s is a test that failed, with the status and what to do', async (_what, reply, code, message) => {
  await using control = await openTestControl()
  await using upstream = await openUpstream()
  await makeProvider(control, { baseUrl: upstream.baseUrl })
  upstream.answerNext(reply)
  const tested = valueOf(await testProviderModel(control, { provider: { name: 'p' }, model: 'm' }))
  expect(tested).toMatchObject({ ok: false, status: code, fault: { code: 'UPSTREAM_FAILED' } })
  expect(tested.fault?.message).toMatch(message)
  expect(tested.fault?.message).not.toContain(secret)
})

test('a provider that is away, an unknown provider and a model that it does not have are told apart', async () => {
  await using control = await openTestControl()
  await makeProvider(control, { baseUrl: await refusingBaseUrl() })
  const away = valueOf(await testProviderModel(control, { provider: { name: 'p' }, model: 'm' }))
  expect(away.fault?.message).toMatch(/nothing listens/)
  const foreign = await testProviderModel(control, { provider: { name: 'q' }, model: 'm' })
  expect(refusalOf(foreign)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'provider'] })
  const unknown = await testProviderModel(control, { provider: { name: 'p' }, model: 'other' })
  expect(refusalOf(unknown)).toMatchObject({ code: 'NOT_FOUND', path: ['input', 'model'] })
})
