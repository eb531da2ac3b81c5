/** The compilers of typed clients read `schema.graphql` as a user's build would, and what they make is run against the API. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { codegen } from '@graphql-codegen/core'
import { preset } from '@graphql-codegen/client-preset'
import { minifyIntrospection, outputIntrospectionFile } from '@gql.tada/internal'
import { buildSchema, introspectionFromSchema, parse } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDeployment, addRoute } from '../support/objects.ts'
import { openTestApi, type TestApi } from '../support/open-api.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../../../', import.meta.url))
const compilerLimitMs = 120_000

let api: TestApi
let routeId: string
beforeAll(async () => {
  api = await openTestApi()
  await addDeployment(api.graphql, { name: 'blue' })
  await addDeployment(api.graphql, { name: 'green' })
  const targets = ['blue', 'green'].map((deployment) => ({ backend: { deployment } }))
  routeId = (await addRoute(api.graphql, { name: 'chat', targets })).id
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
})

/** A folder of a client's project with these files, where packages of this repository are found. */
async function openProject(files: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-client-'))
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const write = async (name: string, text: string) => {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  await write('schema.graphql', await readSchema())
  for (const [name, text] of Object.entries(files)) await write(name, text)
  return { folder, write, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

const readSchema = () => readFile(join(repository, 'schema.graphql'), 'utf8')

const compilerOptions = {
  target: 'es2024',
  module: 'esnext',
  moduleResolution: 'bundler',
  strict: true,
  noEmit: true,
  types: [],
}

/** What the type checker says of a folder; empty: nothing is wrong. */
async function typeErrors(folder: string): Promise<string> {
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }))
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  return run(process.execPath, [compiler, '-p', folder]).then(
    () => '',
    (error: { stdout?: string; message: string }) => error.stdout || error.message,
  )
}

const customScalars = { DateTime: 'string', URL: 'string', SafeInt: 'number', Decimal: 'string', JSONObject: 'object' }

const relaySources = {
  'src/RouteList.ts': `import { graphql } from 'relay-runtime'
graphql\`
  query RouteListQuery($first: Int!) { ...RouteList_routes @arguments(first: $first) }
\`
graphql\`
  fragment RouteList_routes on Query
  @refetchable(queryName: "RouteListPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 10 }, after: { type: "String" }) {
    routes(first: $first, after: $after, orderBy: { field: NAME }) @connection(key: "RouteList_routes") {
      totalCount
      edges { node { id ...RouteCard_route } }
    }
  }
\``,
  'src/RouteCard.ts': `import { graphql } from 'relay-runtime'
graphql\`
  fragment RouteCard_route on Route @refetchable(queryName: "RouteCardRefetchQuery") {
    name
    revision
    updatedAt
    targets { id weight share backend { __typename label ... on Node { id } ... on Deployment { operations } } }
  }
\`
graphql\`
  fragment RouteCard_history on Route
  @refetchable(queryName: "RouteHistoryPaginationQuery")
  @argumentDefinitions(last: { type: "Int", defaultValue: 5 }, before: { type: "String" }) {
    revisions(last: $last, before: $before) @connection(key: "RouteCard_revisions") {
      edges { node { number reason actorLabel configVersion } }
    }
  }
\`
graphql\`
  query RouteCardQuery($id: ID!) { node(id: $id) { ...RouteCard_route @alias ...RouteCard_history @alias } }
\``,
  'src/SwitchTraffic.ts': `import { graphql } from 'relay-runtime'
graphql\`
  mutation SwitchTrafficMutation($input: RouteTrafficSetInput!) {
    routeTrafficSet(input: $input) {
      applied
      userErrors { __typename code message path ... on RevisionConflictError { current { id ... on Versioned { revision } } } }
      route { ...RouteCard_route }
    }
  }
\`
graphql\`
  mutation SwitchTrafficDeleteMutation($input: RouteDeleteInput!, $connections: [ID!]!) {
    routeDelete(input: $input) { deletedId @deleteEdge(connections: $connections) userErrors { message } }
  }
\`
graphql\`
  subscription SwitchTrafficSubscription($id: ID!) {
    routeTraffic(by: { id: $id }) { at requests targets { requests target { id weight } } }
  }
\``,
}

test(
  "Relay's compiler takes connections, refetchable nodes, mutations and subscriptions, and the API runs what it makes",
  async () => {
    await using project = await openProject({
      ...relaySources,
      'artifacts/.keep': '',
      'relay.config.json': JSON.stringify({
        src: './src',
        schema: './schema.graphql',
        language: 'typescript',
        artifactDirectory: './artifacts',
        customScalarTypes: customScalars,
        requireCustomScalarTypes: true,
      }),
    })
    const compiler = join(repository, 'node_modules/relay-compiler/cli.js')
    const { stderr, stdout } = await run(process.execPath, [compiler, 'relay.config.json'], { cwd: project.folder })
    expect(stdout + stderr).not.toMatch(/\[(WARN|ERROR)\]/)

    const artifacts = join(project.folder, 'artifacts')
    const texts = await Promise.all((await readdir(artifacts)).map((name) => readFile(join(artifacts, name), 'utf8')))
    const documents = new Map(texts.flatMap((text) => operationsOf(text)))
    expect([...documents.keys()].toSorted()).toEqual([
      'RouteCardQuery',
      'RouteCardRefetchQuery',
      'RouteHistoryPaginationQuery',
      'RouteListPaginationQuery',
      'RouteListQuery',
      'SwitchTrafficDeleteMutation',
      'SwitchTrafficMutation',
      'SwitchTrafficSubscription',
    ])
    const ask = (name: string, variables: Record<string, unknown>) =>
      api.graphql.request<object>(documents.get(name)!, variables)
    expect(await ask('RouteListQuery', { first: 1 })).toMatchObject({
      routes: { edges: [{ node: { id: routeId, __typename: 'Route' }, cursor: expect.any(String) }], pageInfo: {} },
    })
    expect(await ask('RouteListPaginationQuery', { first: 1 })).toMatchObject({ routes: { totalCount: 1 } })
    const route = { node: { __typename: 'Route', id: routeId, name: 'chat' } }
    for (const name of ['RouteCardQuery', 'RouteCardRefetchQuery'])
      expect(await ask(name, { id: routeId })).toMatchObject(route)
    expect(await ask('RouteHistoryPaginationQuery', { id: routeId })).toMatchObject({
      node: { revisions: { edges: [{ node: { number: 1 } }] } },
    })
    expect(await ask('SwitchTrafficMutation', { input: switchTo([]) })).toMatchObject({
      routeTrafficSet: { route: null, userErrors: [{ __typename: 'InputError' }] },
    })
  },
  compilerLimitMs,
)

const switchTo = (weights: readonly object[]) => ({ route: { name: 'chat' }, weights })

/** Names and texts of the operations that an artifact of Relay holds. */
function operationsOf(artifact: string): [string, string][] {
  const [, name] = /"name": "(\w+)",\s+"operationKind"/.exec(artifact) ?? []
  const [, text] = /"text": ("(?:[^"\\]|\\.)*")/.exec(artifact) ?? []
  return name && text ? [[name, JSON.parse(text) as string]] : []
}

/** Uses what the client preset makes, as an application does. */
const presetClient = `import { graphql } from './gql/index'
import type { ResultOf, VariablesOf } from '@graphql-typed-document-node/core'
import { RouteCardFragmentDoc } from './gql/graphql'
import { type FragmentType, getFragmentData } from './gql/index'

export const List = graphql(\`
  query RouteList($first: Int!, $after: String) {
    routes(first: $first, after: $after, orderBy: { field: NAME, direction: DESC }) {
      totalCount
      pageInfo { endCursor hasNextPage }
      edges { node { ...RouteCard } }
    }
  }
\`)
export const Card = graphql(\`
  fragment RouteCard on Route { id name revision updatedAt targets { weight share backend { label } } }
\`)
export const Switch = graphql(\`
  mutation SwitchTraffic($input: RouteTrafficSetInput!) {
    routeTrafficSet(input: $input) { applied configVersion userErrors { code message path } route { ...RouteCard } }
  }
\`)
export function nameOf(route: FragmentType<typeof RouteCardFragmentDoc>): string {
  return getFragmentData(RouteCardFragmentDoc, route).name
}
export const total = (data: ResultOf<typeof List>): number => data.routes.totalCount
export const input: VariablesOf<typeof Switch> = {
  input: { route: { name: 'chat' }, weights: [{ target: { id: 'trg_1' }, weight: 1 }] },
}
// @ts-expect-error a reference is one of its members, and not none
export const wrong: VariablesOf<typeof Switch> = { input: { route: {}, weights: [] } }
`

test(
  "graphql-codegen's client preset makes types that an application compiles with, and documents that the API runs",
  async () => {
    await using project = await openProject({ 'src/client.ts': presetClient })
    const made = await runClientPreset(presetClient)
    for (const [name, text] of made) await project.write(name, text)
    expect(await typeErrors(project.folder)).toBe('')

    const documents = documentsIn(presetClient)
    const fragment = documents.find((text) => /^\s*fragment/.test(text))!
    const [list, change] = documents.filter((text) => text !== fragment).map((text) => `${text}\n${fragment}`)
    expect(await api.graphql.request(list!, { first: 5 })).toMatchObject({
      routes: { totalCount: 1, edges: [{ node: { name: 'chat' } }] },
    })
    expect(await api.graphql.request(change!, { input: switchTo([]) })).toMatchObject({
      routeTrafficSet: { route: null, applied: false, userErrors: [{ path: ['input', 'weights'] }] },
    })
  },
  compilerLimitMs,
)

/** Names and texts of the files that the preset makes of an application's source. */
async function runClientPreset(source: string): Promise<[string, string][]> {
  const schemaAst = buildSchema(await readSchema())
  const documents = documentsIn(source).map((rawSDL, i) => ({
    location: `src/client-${i}.ts`,
    rawSDL,
    document: parse(rawSDL),
  }))
  const sections = await preset.buildGeneratesSection({
    baseOutputDir: 'src/gql/',
    schema: parse(await readSchema()),
    schemaAst,
    documents,
    config: { scalars: customScalars, strictScalars: true, useTypeImports: true },
    presetConfig: { fragmentMasking: { unmaskFunctionName: 'getFragmentData' } },
    plugins: [],
    pluginMap: {},
  })
  return Promise.all(
    sections.map(async (section) => [section.filename, await codegen(section)] satisfies [string, string]),
  )
}

function documentsIn(source: string): string[] {
  return [...source.matchAll(/graphql\(`([^`]*)`\)/g)].map(([, text]) => text!)
}

test(
  'gql.tada infers the types of documents from the schema, and refuses a field that is not there',
  async () => {
    const introspection = minifyIntrospection(introspectionFromSchema(buildSchema(await readSchema())))
    const types = outputIntrospectionFile(introspection, { fileType: '.d.ts', shouldPreprocess: true })
    await using project = await openProject({
      'src/schema-types.d.ts': types,
      'src/client.ts': `import { initGraphQLTada, type ResultOf, type VariablesOf } from 'gql.tada'
import type { introspection } from './schema-types'

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { SafeInt: number; Decimal: string; DateTime: string } }>()
const List = graphql('query ($first: Int) { routes(first: $first) { totalCount edges { node { name updatedAt } } } }')
export const names = (data: ResultOf<typeof List>): string[] => data.routes.edges.map(({ node }) => node.name + node.updatedAt)
const Switch = graphql('mutation ($input: RouteTrafficSetInput!) { routeTrafficSet(input: $input) { configVersion } }')
export const version = (data: ResultOf<typeof Switch>): number | undefined => data.routeTrafficSet?.configVersion
export const variables: VariablesOf<typeof Switch> = { input: { route: { name: 'chat' }, weights: [] } }
// @ts-expect-error a route has no such field
export const wrong = (data: ResultOf<typeof List>) => data.routes.edges[0]!.node.colour
`,
    })
    expect(await typeErrors(project.folder)).toBe('')
  },
  compilerLimitMs,
)
