import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError, readConfig, VARIABLE_NAMES } from '../../../src/server/configuration/config.ts'

const key = randomBytes(32)

function faultsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

const configOf = (environment: Record<string, string>) => readConfig(environment).config

test('the README tells of every variable', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  expect(VARIABLE_NAMES.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
})

describe('readConfig', () => {
  test('an empty environment is the default of the documentation', () => {
    expect(readConfig({ PATH: '/bin', HOME: '/root' })).toEqual({
      warnings: [],
      config: {
        role: 'all',
        workers: 0,
        api: { host: '127.0.0.1', port: 4000 },
        gateway: { host: '127.0.0.1', port: 8080 },
        dataDir: resolve('data'),
        adminKey: undefined,
        databaseUrl: undefined,
        databaseNamedStatements: false,
        encryptionKeys: undefined,
        upstreamAllow: undefined,
        upstreamTransport: 'own',
        logLevel: 'info',
        retentionDays: 30,
        maxStalenessMs: undefined,
        metricsOpen: false,
        gatewayUrl: undefined,
        trustedDocumentsDir: undefined,
        apiCostPerMinute: 6_000_000,
        maxBodyMemoryBytes: undefined,
        maxBodyDiskBytes: undefined,
        corsOrigins: undefined,
        drainTimeoutMs: 60_000,
        maxRequestBytes: 64 * 1024 * 1024,
        otlpEndpoint: undefined,
        traceSampling: { name: 'parentbased_always_on', ratio: 1 },
      },
    })
  })

  test('every variable is read', () => {
    const config = configOf({
      SIGNALBOX_ROLE: 'gateway',
      SIGNALBOX_WORKERS: '3',
      SIGNALBOX_API_HOST: '[::1]',
      SIGNALBOX_API_PORT: '0',
      SIGNALBOX_GATEWAY_HOST: '0.0.0.0',
      SIGNALBOX_GATEWAY_PORT: '0',
      SIGNALBOX_DATA_DIR: '/srv/signalbox',
      SIGNALBOX_ADMIN_KEY: 'an-administrators-key',
      DATABASE_URL: 'postgres://signalbox:hunter2@db.internal:5432/signalbox',
      SIGNALBOX_DATABASE_NAMED_STATEMENTS: 'true',
      SIGNALBOX_ENCRYPTION_KEY: key.toString('base64'),
      SIGNALBOX_ENCRYPTION_KEY_PREVIOUS: key.toString('hex'),
      SIGNALBOX_UPSTREAM_ALLOW: '10.0.0.0/8, fd00::/8 192.168.1.1',
      SIGNALBOX_UPSTREAM_HTTP: 'undici',
      SIGNALBOX_LOG_LEVEL: 'debug',
      SIGNALBOX_MAX_STALENESS_MS: '5000',
      SIGNALBOX_METRICS_OPEN: 'true',
      SIGNALBOX_GATEWAY_URL: 'https://models.example.com/v1/',
      SIGNALBOX_TRUSTED_DOCUMENTS_DIR: '/srv/documents',
      SIGNALBOX_API_COST_PER_MINUTE: '0',
      SIGNALBOX_MAX_BODY_MEMORY_BYTES: '2097152',
      SIGNALBOX_MAX_BODY_DISK_BYTES: '1048576',
      SIGNALBOX_GATEWAY_CORS_ORIGINS: 'https://chat.example.com',
      SIGNALBOX_RETENTION_DAYS: '7',
      SIGNALBOX_DRAIN_TIMEOUT_MS: '0',
      SIGNALBOX_MAX_REQUEST_BYTES: '1024',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    })
    expect(config).toEqual({
      role: 'gateway',
      workers: 3,
      api: { host: '::1', port: 0 },
      gateway: { host: '0.0.0.0', port: 0 },
      dataDir: '/srv/signalbox',
      adminKey: 'an-administrators-key',
      databaseUrl: 'postgres://signalbox:hunter2@db.internal:5432/signalbox',
      databaseNamedStatements: true,
      encryptionKeys: [key, key],
      upstreamAllow: ['10.0.0.0/8', 'fd00::/8', '192.168.1.1'],
      upstreamTransport: 'undici',
      logLevel: 'debug',
      retentionDays: 7,
      maxStalenessMs: 5000,
      metricsOpen: true,
      gatewayUrl: 'https://models.example.com',
      trustedDocumentsDir: '/srv/documents',
      apiCostPerMinute: 0,
      maxBodyMemoryBytes: 2097152,
      maxBodyDiskBytes: 1048576,
      corsOrigins: new Set(['https://chat.example.com']),
      drainTimeoutMs: 0,
      maxRequestBytes: 1024,
      otlpEndpoint: 'http://collector:4318',
      traceSampling: { name: 'traceidratio', ratio: 0.25 },
    })
  })

  test('an empty value is as if it were not set', () => {
    expect(configOf(Object.fromEntries(VARIABLE_NAMES.map((name) => [name, ''])))).toEqual(configOf({}))
  })

  test('every fault is named in one message, and no value is', () => {
    const environment = {
      SIGNALBOX_API_HOST: 'http://value-of-host',
      SIGNALBOX_API_PORT: 'tcp://203.0.113.7:4000',
      SIGNALBOX_GATEWAY_PORT: '65536',
      SIGNALBOX_ADMIN_KEY: 'value of key',
      DATABASE_URL: 'mysql://value-of-url',
      SIGNALBOX_ENCRYPTION_KEY: 'value-of-encryption-key',
      SIGNALBOX_UPSTREAM_ALLOW: '203.0.113.0/99',
      SIGNALBOX_UPSTREAM_HTTP: 'value-of-transport',
      SIGNALBOX_LOG_LEVEL: 'value-of-level',
      SIGNALBOX_RETENTION_DAYS: '0',
      SIGNALBOX_DRAIN_TIMEOUT_MS: '-1',
      SIGNALBOX_MAX_REQUEST_BYTES: '64 MiB',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'value-of-endpoint:4318',
      SIGNALBOX_ADMINKEY: 'value-of-typo',
    }
    const faults = faultsOf(environment)
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(Object.keys(environment))
    expect(faults.join('\n')).not.toMatch(/value|203|99|64 MiB|65536/)
  })

  test.each([
    ['DATABASE_URL', 'postgres://signalbox@/signalbox?host=/run/postgresql'],
    ['DATABASE_URL', 'postgresql://u:p%40ss@10.0.0.1/db?sslmode=require'],
    ['SIGNALBOX_API_HOST', 'signalbox.internal'],
    ['SIGNALBOX_API_HOST', '::'],
    ['SIGNALBOX_ADMIN_KEY', `!${'~'.repeat(255)}`],
    ['SIGNALBOX_ENCRYPTION_KEY', key.toString('base64url')],
    ['SIGNALBOX_ENCRYPTION_KEY', key.toString('hex').toUpperCase()],
  ])('%s may be %s', (name, value) => {
    expect(faultsOf({ SIGNALBOX_ENCRYPTION_KEY: key.toString('hex'), [name]: value })).toEqual([])
  })

  test.each([
    ['SIGNALBOX_ADMIN_KEY', 'fifteen-letters'],
    ['SIGNALBOX_ADMIN_KEY', 'x'.repeat(257)],
    ['SIGNALBOX_ADMIN_KEY', ' begins with a blank'],
    ['SIGNALBOX_ADMIN_KEY', 'schlüssel-mit-umlaut'],
    ['SIGNALBOX_API_PORT', '4e3'],
    ['SIGNALBOX_API_PORT', '4000.5'],
    ['SIGNALBOX_API_HOST', '127.0.0.1:4000'],
    ['SIGNALBOX_API_HOST', 'a b'],
    ['SIGNALBOX_UPSTREAM_ALLOW', ','],
    ['SIGNALBOX_UPSTREAM_ALLOW', 'example.com'],
    ['SIGNALBOX_ENCRYPTION_KEY', randomBytes(16).toString('hex')],
    ['SIGNALBOX_ENCRYPTION_KEY', randomBytes(33).toString('base64')],
    ['DATABASE_URL', 'db.internal:5432/signalbox'],
    ['DATABASE_URL', 'postgres://db:port/signalbox'],
  ])('%s may not be %j', (name, value) => {
    const environment = { SIGNALBOX_ENCRYPTION_KEY: key.toString('hex'), [name]: value }
    expect(faultsOf(environment)).toEqual([expect.stringMatching(`^${name} must be `)])
  })

  test('a database of its own needs an encryption key of its own', () => {
    expect(faultsOf({ DATABASE_URL: 'postgres://db/signalbox' })).toEqual([
      expect.stringContaining('SIGNALBOX_ENCRYPTION_KEY must be set with DATABASE_URL'),
    ])
  })

  test('a previous encryption key alone is refused', () => {
    expect(faultsOf({ SIGNALBOX_ENCRYPTION_KEY_PREVIOUS: key.toString('hex') })).toHaveLength(1)
  })

  test('the planes never share a port, except where the system chooses', () => {
    expect(faultsOf({ SIGNALBOX_API_PORT: '8080' })).toEqual([expect.stringContaining('must differ')])
    expect(faultsOf({ SIGNALBOX_API_PORT: '0', SIGNALBOX_GATEWAY_PORT: '0' })).toEqual([])
    expect(faultsOf({ SIGNALBOX_API_PORT: '8080', SIGNALBOX_GATEWAY_HOST: '10.0.0.1' })).toEqual([])
  })

  test('a name that is nearly one of ours is a fault with what was meant; others are told, and go', () => {
    expect(faultsOf({ SIGNALBOX_ENCRYPTON_KEY: 'x' })).toEqual([
      'SIGNALBOX_ENCRYPTON_KEY is not known: SIGNALBOX_ENCRYPTION_KEY was probably meant.',
    ])
    expect(readConfig({ SIGNALBOX_SERVICE_HOST: '10.0.0.1' }).warnings).toEqual([
      'SIGNALBOX_SERVICE_HOST is not known, and has no effect.',
    ])
  })
})
