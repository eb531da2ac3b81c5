import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addDeployment, addRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
  await addDeployment(api.graphql, { name: 'backend' })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: { readonly name: string } }[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }
  readonly totalCount: number
}

const fields = `edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount`

async function routes(variables: Record<string, unknown>): Promise<Page> {
  const data = await api.graphql.request<{ routes: Page }>(
    `query ($first: Int, $after: String, $last: Int, $before: String, $search: String) {
      routes(first: $first, after: $after, last: $last, before: $before, filter: { search: $search }) { ${fields} }
    }`,
    variables,
  )
  return data.routes
}

const namesOf = (page: Page) => page.edges.map(({ node }) => node.name)
const targets = [{ backend: { deployment: 'backend' } }]

async function addRoutes(prefix: string, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(3, '0')}`)
  for (const name of names) await addRoute(api.graphql, { name, targets })
  return names
}

describe('a list', () => {
  let names: string[]
  beforeAll(async () => {
    names = await addRoutes('walk', 25)
  })

  test('is walked forwards from page to page', async () => {
    const seen: string[] = []
    let after: string | null = null
    for (;;) {
      const page: Page = await routes({ first: 7, after, search: 'walk' })
      expect(page.totalCount).toBe(25)
      expect(page.pageInfo.hasPreviousPage).toBe(seen.length > 0)
      seen.push(...namesOf(page))
      expect(page.pageInfo.endCursor).toBe(page.edges.at(-1)?.cursor)
      if (!page.pageInfo.hasNextPage) break
      after = page.pageInfo.endCursor
    }
    expect(seen).toEqual(names)
  })

  test('is walked backwards, with each page in the order of the list', async () => {
    let seen: string[] = []
    let before: string | null = null
    for (;;) {
      const page: Page = await routes({ last: 7, before, search: 'walk' })
      expect(page.pageInfo.hasNextPage).toBe(seen.length > 0)
      seen = [...namesOf(page), ...seen]
      if (!page.pageInfo.hasPreviousPage) break
      before = page.pageInfo.startCursor
    }
    expect(seen).toEqual(names)
  })

  test('can be cut out between two cursors', async () => {
    const { edges } = await routes({ first: 25, search: 'walk' })
    const between = { after: edges[4]!.cursor, before: edges[10]!.cursor, search: 'walk' }
    expect(namesOf(await routes({ ...between, first: 3 }))).toEqual(names.slice(5, 8))
    expect(namesOf(await routes({ ...between, last: 3 }))).toEqual(names.slice(7, 10))
    const all = await routes({ ...between, first: 100 })
    expect(namesOf(all)).toEqual(names.slice(5, 10))
    expect(all.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: true })
  })

  test('says of each page whether there are more before and behind it, whatever its bounds', async () => {
    const part = await routes({ first: 100, search: 'walk-02' })
    const cursors = part.edges.map(({ cursor }) => cursor)
    const bounds = [undefined, ...cursors.keys()]
    const cursorAt = (index: number | undefined) => (index === undefined ? null : cursors[index])
    const list = namesOf(part)
    for (const after of bounds)
      for (const before of bounds)
        for (const size of [{ first: 0 }, { first: 2 }, { first: 100 }, { last: 0 }, { last: 2 }, { last: 100 }]) {
          const args = { ...size, after: cursorAt(after), before: cursorAt(before), search: 'walk-02' }
          const page = await routes(args)
          const names = namesOf(page)
          // An empty page stands where it was entered.
          const entry = 'first' in size ? (after ?? -1) + 1 : (before ?? list.length)
          const [begin, end] =
            names.length > 0 ? [list.indexOf(names[0]!), list.indexOf(names.at(-1)!) + 1] : [entry, entry]
          expect({ ...args, ...page.pageInfo }).toMatchObject({
            hasPreviousPage: begin > 0,
            hasNextPage: end < list.length,
          })
        }
  })

  test('has a default page of 20, and an empty one where nobody asked for more', async () => {
    expect((await routes({ search: 'walk' })).edges).toHaveLength(20)
    const none = await routes({ first: 0, search: 'walk' })
    expect(none).toMatchObject({ edges: [], totalCount: 25, pageInfo: { startCursor: null, endCursor: null } })
    expect(none.pageInfo.hasNextPage).toBe(true)
    const behindAll = await routes({
      first: 5,
      after: (await routes({ last: 1, search: 'walk' })).pageInfo.endCursor,
      search: 'walk',
    })
    expect(behindAll).toMatchObject({ edges: [], pageInfo: { hasNextPage: false, hasPreviousPage: true } })
  })

  test('newest first is walked both ways too', async () => {
    const { id } = (await api.graphql.request<{ route: { id: string } }>(`{ route(by: { name: "walk-000" }) { id } }`))
      .route
    for (let i = 1; i <= 4; i++)
      await api.graphql.change(
        `mutation ($id: ID!, $text: String) { routeUpdate(input: { route: { id: $id }, description: $text }) { userErrors { code } } }`,
        { id, text: `text ${i}` },
      )
    const numbers = async (args: string) => {
      const data = await api.graphql.request<{
        route: { revisions: { edges: { cursor: string; node: { number: number } }[]; totalCount: number } }
      }>(`{ route(by: { name: "walk-000" }) { revisions(${args}) { totalCount edges { cursor node { number } } } } }`)
      expect(data.route.revisions.totalCount).toBe(5)
      return data.route.revisions.edges
    }
    expect((await numbers('first: 2')).map(({ node }) => node.number)).toEqual([5, 4])
    const [, second] = await numbers('first: 2')
    expect((await numbers(`first: 2, after: "${second!.cursor}"`)).map(({ node }) => node.number)).toEqual([3, 2])
    expect((await numbers('last: 2')).map(({ node }) => node.number)).toEqual([2, 1])
    expect((await numbers(`last: 1, before: "${second!.cursor}"`)).map(({ node }) => node.number)).toEqual([5])
  })
})

test('while others insert and delete, what stays is seen exactly once', async () => {
  const names = await addRoutes('churn', 40)
  const seen: string[] = []
  let after: string | null = null
  for (let i = 0; ; i++) {
    const page: Page = await routes({ first: 4, after, search: 'churn' })
    seen.push(...namesOf(page))
    if (!page.pageInfo.hasNextPage || i > 40) break
    after = page.pageInfo.endCursor
    // The very row of the cursor goes, one that comes later goes, and a new one comes.
    for (const name of [page.edges.at(-1)!.node.name, names[39 - i]!].filter((each) => names.includes(each)))
      await api.graphql.post({
        query: `mutation { routeDelete(input: { route: { name: "${name}" } }) { userErrors { code } } }`,
      })
    await addRoute(api.graphql, { name: `churn-new-${i}`, targets })
  }
  expect(new Set(seen).size).toBe(seen.length)
  const { edges } = await routes({ first: 100, search: 'churn' })
  const remaining = edges.map(({ node }) => node.name).filter((name) => names.includes(name))
  expect(seen).toEqual(expect.arrayContaining(remaining))
})

describe('refused, and never clamped, is', () => {
  const refused = async (args: string, field = 'routes') => {
    const { body, status } = await api.graphql.post({ query: `{ ${field}(${args}) { pageInfo { hasNextPage } } }` })
    expect(status).toBe(200)
    expect(body.data ?? null).toBeNull()
    return body.errors?.[0]?.extensions?.['code']
  }

  test.each(['first: 101', 'first: -1', 'last: 101', 'last: -1', 'first: 5, last: 5', 'first: 20, last: 5'])(
    '%s',
    async (args) => {
      expect(await refused(args)).toBe('BAD_USER_INPUT')
    },
  )

  test('a cursor that was tampered with, cut, made up or taken from another list', async () => {
    const { edges } = await routes({ first: 2, search: 'walk' })
    const cursor = edges[0]!.cursor
    const flipped = (cursor.startsWith('A') ? 'B' : 'A') + cursor.slice(1)
    const elsewhere = (
      await api.graphql.request<{ deployments: { edges: { cursor: string }[] } }>(
        '{ deployments(first: 1) { edges { cursor } } }',
      )
    ).deployments.edges[0]!.cursor
    for (const bad of [
      flipped,
      cursor.slice(0, -2),
      `${cursor}A`,
      `${cursor}=`,
      '',
      'rte_00',
      elsewhere,
      'x'.repeat(5_000),
    ])
      expect(await refused(`first: 1, after: "${bad}"`)).toBe('BAD_USER_INPUT')
    expect(await refused(`last: 1, before: "${flipped}"`)).toBe('BAD_USER_INPUT')
  })

  test('a cursor from the history of another route', async () => {
    const revisions = async (name: string, after: string | null) =>
      (
        await api.graphql.post({
          query: `query ($name: String, $after: String) { route(by: { name: $name }) { revisions(after: $after) { edges { cursor } } } }`,
          variables: { name, after },
        })
      ).body
    const { data } = await revisions('walk-001', null)
    const { cursor } = (data as { route: { revisions: { edges: { cursor: string }[] } } }).route.revisions.edges[0]!
    expect((await revisions('walk-001', cursor)).errors).toBeUndefined()
    expect((await revisions('walk-002', cursor)).errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT')
  })

  test('none of it when null, or a variable that was not given', async () => {
    const { body } = await api.graphql.post({
      query: 'query ($first: Int) { routes(first: $first, last: 2) { edges { node { name } } } }',
    })
    expect(body.errors).toBeUndefined()
    const nulls = await api.graphql.post({
      query: '{ routes(first: null, after: null, last: 2, before: null) { totalCount } }',
    })
    expect(nulls.body.errors).toBeUndefined()
  })
})

test('a search is about any part of the name, whatever the case, and takes signs as they are', async () => {
  await addRoute(api.graphql, { name: 'Sign_100', targets })
  await addRoute(api.graphql, { name: 'SignX100', targets })
  expect(namesOf(await routes({ search: 'sIGN_' }))).toEqual(['Sign_100'])
  expect(namesOf(await routes({ search: '%' }))).toEqual([])
})
