/** The examples with generated types: copied into a project of their own, compiled with the configuration that they bring, and run. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { codegen } from '@graphql-codegen/core'
import { preset } from '@graphql-codegen/client-preset'
import { buildSchema, parse } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examplesDir, runExample } from '../support/examples.ts'
import { type Product, startProduct } from '../support/product.ts'
import { openUpstream, type Upstream } from '../support/upstream.ts'

const run = promisify(execFile)
const repository = join(examplesDir, '..')
const names = ['gql-tada', 'client-preset'] as const

let project: string
let product: Product
let upstream: Upstream
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'sbx-typescript-'))
  await symlink(join(repository, 'node_modules'), join(project, 'node_modules'))
  await cp(join(repository, 'schema.graphql'), join(project, 'schema.graphql'))
  for (const name of names) {
    // Without what its own commands have made in this checkout.
    const filter = (path: string) => !/\/(node_modules|gql)$|schema-types\.d\.ts$/.test(path)
    await cp(folderOf(name, examplesDir), folderOf(name), { recursive: true, filter })
  }
  upstream = await openUpstream()
  product = await startProduct()
})
afterAll(async () => {
  await product.stop()
  await upstream.close()
  await rm(project, { recursive: true })
})

const folderOf = (name: (typeof names)[number], examples = join(project, 'examples')) =>
  join(examples, 'typescript', name)

const runCopy = (name: (typeof names)[number], file: string, ...args: string[]) =>
  runExample(product, join(folderOf(name), file), { args })

const change = (mutation: string, type: string, input: object) =>
  product.graphql.change(
    `mutation ($input: ${type}!) { ${mutation}(input: $input) { userErrors { message code path } } }`,
    { input },
  )

/** What the type checker says with the example's own configuration; empty: nothing is wrong. */
async function typeErrors(folder: string): Promise<string> {
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  return run(process.execPath, [compiler, '-p', folder]).then(
    () => '',
    (error: { stdout?: string; message: string }) => error.stdout || error.message,
  )
}

test.each(names)('%s asks for the versions of packages that this project is tested with', async (name) => {
  const versionsIn = async (path: string) => {
    const { dependencies, devDependencies } = JSON.parse(await readFile(path, 'utf8')) as Record<string, object>
    return { ...dependencies, ...devDependencies } as Record<string, string>
  }
  const wanted = await versionsIn(join(folderOf(name), 'package.json'))
  const ours = await versionsIn(join(repository, 'package.json'))
  const shared = Object.keys(wanted).filter((dependency) => dependency in ours)
  expect(shared.length).toBeGreaterThan(3)
  expect(shared.map((dependency) => wanted[dependency])).toEqual(shared.map((dependency) => ours[dependency]))
})

test('gql-tada/evacuate.ts takes a backend out of all routes at once, or out of none', async () => {
  const folder = folderOf('gql-tada')
  await run(process.execPath, [join(folder, 'write-types.ts')])
  expect(await typeErrors(folder)).toBe('')

  for (const name of ['old', 'new'])
    await change('deploymentCreate', 'DeploymentCreateInput', {
      name,
      endpoints: [{ url: upstream.baseUrl }],
      enableModelRoute: false,
    })
  const targets = ['old', 'new'].map((deployment, i) => ({ backend: { deployment }, weight: i + 1 }))
  for (const name of ['chat', 'assistant']) await change('routeCreate', 'RouteCreateInput', { name, targets })

  const first = await runCopy('gql-tada', 'evacuate.ts', 'old')
  expect({ ...first, stdout: first.stdout.split('\n').sort() }).toEqual({
    code: 0,
    stderr: '',
    stdout: ['', 'assistant 2: old 0, new 1', 'chat 2: old 0, new 1'],
  })
  expect(await runCopy('gql-tada', 'evacuate.ts', 'old')).toMatchObject({
    code: 0,
    stdout: 'No route sends anything to old.\n',
  })
  await change('routeTrafficSet', 'RouteTrafficSetInput', {
    route: { name: 'chat' },
    weights: [
      { target: { deployment: 'old' }, weight: 1 },
      { target: { deployment: 'new' }, weight: 1 },
    ],
  })
  expect(await runCopy('gql-tada', 'evacuate.ts', 'new')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'assistant has no other target with a weight.\n',
  })
  expect(await runCopy('gql-tada', 'evacuate.ts')).toMatchObject({ code: 1, stderr: 'Usage: node evacuate.ts LABEL\n' })
})

test('client-preset/problems.ts tells what is wrong by its output and its exit code', async () => {
  const folder = folderOf('client-preset')
  await writeGenerated(folder)
  expect(await typeErrors(folder)).toBe('')

  expect(await runCopy('client-preset', 'problems.ts')).toEqual({ code: 0, stdout: 'OK\n', stderr: '' })
  // A route whose only target has no endpoint fails each request.
  await change('deploymentCreate', 'DeploymentCreateInput', { name: 'empty', endpoints: [] })
  const broken = await runCopy('client-preset', 'problems.ts')
  expect({ code: broken.code, stderr: broken.stderr }).toEqual({ code: 2, stderr: '' })
  expect(broken.stdout).toMatch(/^CRITICAL ROUTE_UNAVAILABLE since .*Z: .*empty/)

  const stranger = { ...product, adminKey: 'not-a-key-of-this-one' }
  expect(await runExample(stranger, join(folder, 'problems.ts'))).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/^UNKNOWN: Send the key/) as string,
  })
})

interface CodegenConfig {
  readonly schema: string
  readonly generates: Readonly<Record<string, { readonly presetConfig: object; readonly config: object }>>
}

/** What `graphql-codegen --config codegen.json` writes: its command line is not among the packages here, its parts are. */
async function writeGenerated(folder: string): Promise<void> {
  const config = JSON.parse(await readFile(join(folder, 'codegen.json'), 'utf8')) as CodegenConfig
  const schemaText = await readFile(join(folder, config.schema), 'utf8')
  const source = await readFile(join(folder, 'problems.ts'), 'utf8')
  const documents = [...source.matchAll(/graphql\(`([^`]*)`\)/g)].map(([, rawSDL]) => ({
    location: 'problems.ts',
    rawSDL: rawSDL!,
    document: parse(rawSDL!),
  }))
  expect(documents).toHaveLength(1)
  for (const [baseOutputDir, { presetConfig, config: settings }] of Object.entries(config.generates)) {
    const sections = await preset.buildGeneratesSection({
      baseOutputDir,
      schema: parse(schemaText),
      schemaAst: buildSchema(schemaText),
      documents,
      config: settings,
      presetConfig,
      plugins: [],
      pluginMap: {},
    })
    for (const section of sections) {
      const path = join(folder, section.filename)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, await codegen(section))
    }
  }
}
