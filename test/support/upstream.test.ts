import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { modelAnswer } from './model-answers.ts'
import { after, cutBody, hang, raw, reset, status, stream } from './replies.ts'
import { openUpstream, refusingBaseUrl } from './upstream.ts'

const ask = { model: 'm', messages: [{ role: 'user', content: 'hi' }] } as const

const post = (url: string, signal?: AbortSignal) =>
  fetch(`${url}/chat/completions`, { method: 'POST', body: JSON.stringify(ask), ...(signal && { signal }) })

test('an upstream without a script answers the official client, plain and streamed, and records what came', async () => {
  await using upstream = await openUpstream({ name: 'A', models: ['m'], secret: 'secret-of-a' })
  const client = new OpenAI({ baseURL: upstream.baseUrl, apiKey: 'secret-of-a', maxRetries: 0 })

  const plain = await client.chat.completions.create({ ...ask, messages: [...ask.messages] })
  expect(plain.choices[0]?.message.content).toBe('hello from A')

  let text = ''
  for await (const chunk of await client.chat.completions.create({ ...ask, messages: [...ask.messages], stream: true }))
    text += chunk.choices[0]?.delta.content ?? ''
  expect(text).toBe('hello from A')

  expect(upstream.inferences.map(({ path }) => path)).toEqual(['/v1/chat/completions', '/v1/chat/completions'])
  expect(upstream.inferences[0]?.json()).toMatchObject(ask)
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['m'])
})

test('it knows its own models and its own secret only', async () => {
  await using upstream = await openUpstream({ models: ['other'], secret: 'secret' })
  expect((await post(upstream.baseUrl)).status).toBe(401)
  const headers = { authorization: 'Bearer secret' }
  const answer = await fetch(`${upstream.baseUrl}/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify(ask),
  })
  expect(answer.status).toBe(404)
})

test('scripted answers come in turn, then the model server is back', async () => {
  await using upstream = await openUpstream()
  upstream.answerNext(status(503, { no: 1 }, { 'retry-after': '7' }), reset(), raw('HTTP/1.1 418 Teapot\r\n\r\n'))
  const refused = await post(upstream.baseUrl)
  expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([503, '7', { no: 1 }])
  await expect(post(upstream.baseUrl)).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
  expect((await post(upstream.baseUrl)).status).toBe(418)
  expect((await post(upstream.baseUrl)).status).toBe(200)
})

test('an answer can be held back until the test releases it', async () => {
  await using upstream = await openUpstream()
  const gate = Promise.withResolvers<void>()
  upstream.answerNext(after(gate.promise, modelAnswer({ text: 'late' })))
  const answer = post(upstream.baseUrl)
  gate.resolve()
  expect(await (await answer).text()).toContain('late')
})

test('cut streams, cut bodies, hanging and refused connections look like what they are', async () => {
  await using upstream = await openUpstream()
  upstream.answerNext(
    stream([{ a: 1 }, { b: 2 }], { cutAfterEvents: 1 }),
    cutBody('{"a":1', { cutBy: 'reset' }),
    hang(),
  )
  const cut = await post(upstream.baseUrl)
  await expect(cut.text()).rejects.toThrow('terminated')
  await expect(post(upstream.baseUrl).then((answer) => answer.text())).rejects.toThrow('terminated')

  const leave = new AbortController()
  const hanging = post(upstream.baseUrl, leave.signal)
  const asked = await expect
    .poll(() => upstream.requests.length)
    .toBe(3)
    .then(() => upstream.requests[2])
  leave.abort()
  await expect(hanging).rejects.toThrow('aborted')
  await asked?.closed
  expect(asked?.finished).toBe(false)

  await expect(post(await refusingBaseUrl())).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
})

test('a port can be closed and opened again', async () => {
  await using upstream = await openUpstream()
  await upstream.stopListening()
  await expect(post(upstream.baseUrl)).rejects.toThrow('fetch failed')
  await upstream.listenAgain()
  expect((await post(upstream.baseUrl)).status).toBe(200)
})
