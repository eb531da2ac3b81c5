import { createHash } from 'node:crypto'
import { parse, validate } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exampleTabs } from '../../src/graphql/graphiql-examples.ts'
import { schema } from '../../src/graphql/schema.ts'
import { openTestApi, type TestApi } from './open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

test('GraphiQL is a page at / that loads nothing from elsewhere, and whose scripts are the ones that its policy knows', async () => {
  const response = await fetch(api.url)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
  const page = await response.text()
  const policy = response.headers.get('content-security-policy')!
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script!)
  expect(scripts).toHaveLength(2)
  for (const script of scripts)
    expect(policy).toContain(`'sha256-${createHash('sha256').update(script).digest('base64')}'`)
  // Outside of its scripts the page names no other place; inside, the policy lets it reach nothing but this server.
  const markup = page.replace(/<script>[\s\S]*?<\/script>/g, '').replace(/<style>[\s\S]*?<\/style>/g, '')
  expect(markup.match(/\b(?:src|href)="(?!data:)[^"]*"/g)).toBeNull()
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("connect-src 'self'")
  expect(policy).not.toContain('unsafe-eval')
})

test('it is sent compressed to who takes that, and without a body to HEAD', async () => {
  const plain = await fetch(api.url, { headers: { 'accept-encoding': 'identity' } })
  expect(plain.headers.get('content-encoding')).toBeNull()
  const packed = await fetch(api.url, { headers: { 'accept-encoding': 'gzip' } })
  expect(packed.headers.get('content-encoding')).toBe('gzip')
  expect(await packed.text()).toBe(await plain.text())
  const head = await fetch(api.url, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
  expect((await fetch(api.url, { method: 'POST' })).status).toBe(405)
})

test('it takes the key, and opens with the five things that a user does in the first hour', async () => {
  const page = await (await fetch(api.url)).text()
  expect(page).toContain('id="key-bar"')
  expect(exampleTabs).toHaveLength(5)
  for (const { query } of exampleTabs) expect(page).toContain(JSON.stringify(query).slice(1, -1))
})

test.each(exampleTabs.map(({ query }) => [query.split('\n')[0]!, query] as const))(
  'the example "%s" fits the schema',
  (_, query) => {
    const document = parse(query)
    const errors = document.definitions.flatMap((definition) =>
      validate(schema, { ...document, definitions: [definition] }),
    )
    expect(errors).toEqual([])
  },
)
