import { createHash } from 'node:crypto'
import { runInNewContext } from 'node:vm'
import { parse, validate } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exampleTabs } from '../../../src/graphql/graphiql/examples.ts'
import { keyBarScript } from '../../../src/graphql/graphiql/key-bar.ts'
import { schema } from '../../../src/graphql/schema/schema.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

/** What the page loads: paths relative to it. */
function assetsOf(page: string): string[] {
  return [...page.matchAll(/\b(?:src|href)="(graphiql\/[^"]*)"/g)].map(([, path]) => path!)
}

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
  // Outside of its scripts the page names its own assets and the console; inside, the policy lets it reach nothing but this server.
  const markup = page.replace(/<script>[\s\S]*?<\/script>/g, '')
  const named = [...markup.matchAll(/\b(?:src|href)="((?!data:)[^"]*)"/g)].map(([, path]) => path)
  expect(named).toEqual(expect.arrayContaining([...assetsOf(page), 'console']))
  expect(named).toHaveLength(3)
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("connect-src 'self'")
  expect(policy).not.toContain('unsafe-eval')
})

test('the page is small and asked for anew; what it loads is kept by the browser for good, and holds no key', async () => {
  const response = await fetch(api.url)
  const page = await response.text()
  expect(page.length).toBeLessThan(200_000)
  expect(response.headers.get('cache-control')).toBe('no-cache')
  const again = await fetch(api.url, { headers: { 'if-none-match': response.headers.get('etag')! } })
  expect([again.status, await again.text()]).toEqual([304, ''])
  const assets = assetsOf(page)
  expect(assets).toHaveLength(2)
  for (const path of assets) {
    const asset = await fetch(new URL(path, `${api.url}/`))
    expect(asset.status).toBe(200)
    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect((await asset.text()).length).toBeGreaterThan(10_000)
  }
  expect((await fetch(`${api.url}/graphiql/other.js`)).status).toBe(404)
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

test('it takes the key, and opens with the five stories in the order of the guide, then day two, each line narrow', async () => {
  const page = await (await fetch(api.url)).text()
  expect(page).toContain('id="key-bar"')
  const names = exampleTabs.map(({ query }) => query.split('\n')[0])
  expect(names.slice(0, 5)).toEqual(['# 1 Deploy', '# 2 Upgrade', '# 3 Split', '# 4 Fallback', '# 5 Existing server'])
  expect(names.slice(5)).toEqual(
    expect.arrayContaining(['# Colleague', '# Rotate a key', '# Prices', '# Why fallback?', '# Roll back']),
  )
  for (const { query } of exampleTabs) {
    expect(page).toContain(JSON.stringify(query).slice(1, -1))
    const comments = query.split('\n').filter((line) => line.startsWith('#'))
    for (const line of comments) expect(line.length).toBeLessThanOrEqual(50)
  }
})

test('the tab that was open before a reload is open after it, typed in or not', () => {
  const script = keyBarScript
  const startWith = (stored: Record<string, string>) => {
    const items = new Map(Object.entries(stored))
    const storage = {
      getItem: (name: string) => items.get(name) ?? null,
      setItem: (name: string, value: string) => items.set(name, value),
    }
    const element = { addEventListener: () => {}, dataset: {} }
    runInNewContext(script, {
      localStorage: storage,
      sessionStorage: storage,
      document: { getElementById: () => element, addEventListener: () => {}, querySelectorAll: () => [] },
      window: { fetch },
      MutationObserver: class {
        observe() {}
      },
      matchMedia: () => element,
    })
    return Object.fromEntries(items)
  }
  const tabState = JSON.stringify({ activeTabIndex: 1, tabs: [{ query: 'a' }, { query: 'b', variables: '{}' }, {}] })
  expect(startWith({ 'graphiql:tabState': tabState, 'graphiql:query': 'a' })).toMatchObject({
    'graphiql:query': 'b',
    'graphiql:variables': '{}',
  })
  expect(startWith({})).toEqual({})
  for (const broken of ['x', '{"tabs":[],"activeTabIndex":0}']) {
    const stored = { 'graphiql:tabState': broken }
    expect(startWith(stored)).toEqual(stored)
  }
})

test('the first example tells a newcomer the truth: with the id of the key that was set, the request would be sent', async () => {
  const { query } = exampleTabs[0]!
  const run = async (operationName: string, document = query) => {
    const { body } = await api.graphql.post({ query: document, operationName })
    expect(body.errors).toBeUndefined()
    return body.data as Record<string, Record<string, unknown>>
  }
  expect((await run('AddDeployment'))['deploymentCreate']).toMatchObject({ userErrors: [] })
  const { id } = (await run('WhoAmI'))['viewer']!['actor'] as { id: string }
  const explained = await run('Explain', query.replace('ID OF YOUR KEY', id))
  expect(explained['routeExplain']).toMatchObject({ refusal: null, candidates: [{ availability: 'AVAILABLE' }] })
  const withoutKey = await run('Explain', query.replace('apiKeyId: "ID OF YOUR KEY"', ''))
  expect(withoutKey['routeExplain']).toMatchObject({ refusal: 401 })
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
