import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDeployment } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

let api: TestApi
beforeAll(async () => {
  api = await openTestApi()
  for (const name of ['blue', 'green']) await addDeployment(api.graphql, { name, enableModelRoute: false })
  await api.graphql.change(
    `mutation { routeCreate(input: { name: "chat", targets: [
      { backend: { deployment: "blue" }, weight: 0 }, { backend: { deployment: "green" }, weight: 1 }] }) {
      userErrors { code path message } } }`,
  )
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

interface RouteState {
  readonly revision: number
  readonly description: string
  readonly targets: readonly { readonly weight: number }[]
}

const routeState = '{ revision description targets { weight } }'

function switchTo(weight: number): Promise<{ route: RouteState }> {
  return api.graphql.change(
    `mutation ($weight: Int!) { routeTrafficSet(input: { route: { name: "chat" }, weights: [
      { target: { deployment: "blue" }, weight: $weight }, { target: { deployment: "green" }, weight: 1 }] }) {
      route ${routeState} userErrors { code path message } } }`,
    { weight },
  )
}

test('each of many switches at once shows the revision that it made, with its weights', async () => {
  const weights = Array.from({ length: 20 }, (_, index) => index + 1)
  const answers = await Promise.all(weights.map(async (weight) => ({ weight, route: (await switchTo(weight)).route })))
  expect(new Set(answers.map(({ route }) => route.revision)).size).toBe(20)
  for (const { weight, route } of answers) expect(route.targets.map((target) => target.weight)).toEqual([weight, 1])
})

test('no reader sees the revision of one switch with the weights of another', async () => {
  const first = (await switchTo(1000)).route.revision
  const switching = { isOver: false }
  const torn: RouteState[] = []
  // Revision `first + n` has the weight 1000 + n.
  const read = async () => {
    while (!switching.isOver) {
      const { a, b } = await api.graphql.request<{ a: RouteState; b: RouteState }>(
        `{ a: route(by: { name: "chat" }) ${routeState} b: route(by: { name: "chat" }) ${routeState} }`,
      )
      for (const route of [a, b]) if (route.targets[0]!.weight !== 1000 + route.revision - first) torn.push(route)
      if (a.revision !== b.revision) torn.push(a, b)
    }
  }
  const readers = Array.from({ length: 6 }, read)
  for (let n = 1; n <= 60; n++) await switchTo(1000 + n)
  switching.isOver = true
  await Promise.all(readers)
  expect(torn).toEqual([])
})

test('the changes of one operation each show what they made', async () => {
  const set = (alias: string, description: string) =>
    `${alias}: routeUpdate(input: { route: { name: "chat" }, description: "${description}" }) { route ${routeState} query { route(by: { name: "chat" }) ${routeState} } }`
  const answer = await api.graphql.request<Record<string, { route: RouteState; query: { route: RouteState } }>>(
    `mutation { ${set('one', 'first')} ${set('two', 'second')} }`,
  )
  expect(answer['one']!.route.description).toBe('first')
  expect(answer['two']!.route).toMatchObject({ description: 'second', revision: answer['one']!.route.revision + 1 })
  expect(answer['two']!.query.route).toEqual(answer['two']!.route)
})
