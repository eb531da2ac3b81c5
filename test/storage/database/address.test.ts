import { describe, expect, test } from 'vitest'
import { DatabaseUrlError, parseDatabaseUrl } from '../../../src/storage/database/address.ts'

const serversOf = (url: string) => parseDatabaseUrl(url).servers.map(({ host, port }) => `${host ?? ''}|${port ?? ''}`)

describe('the servers of DATABASE_URL', () => {
  test.each([
    ['postgres://u:p@h1:5432,h2:5433/db', ['h1|5432', 'h2|5433']],
    ['postgres://u:p@h1,h2/db?target_session_attrs=read-write', ['h1|', 'h2|']],
    ['postgresql://u@[::1]:5433,10.0.0.1/db', ['::1|5433', '10.0.0.1|']],
    ['postgres:///db?host=h1,h2&port=5432,5433', ['h1|5432', 'h2|5433']],
    ['postgres:///db?host=h1,/run/postgresql&port=6432', ['h1|6432', '/run/postgresql|6432']],
    ['postgres://signalbox@/signalbox?host=/run/postgresql', ['/run/postgresql|']],
    ['postgres://%2Frun%2Fpostgresql/db', ['/run/postgresql|']],
    ['postgres://u@h1:6432/db?host=h2', ['h2|6432']],
    ['postgres://u@:6432/db', ['|6432']],
    ['postgres://', ['|']],
  ])('%s', (url, servers) => {
    expect(serversOf(url)).toEqual(servers)
  })

  test('several of them mean the one that takes writes, unless any will do', () => {
    expect(parseDatabaseUrl('postgres://h1,h2/db').session).toBe('read-write')
    expect(parseDatabaseUrl('postgres://h1/db').session).toBe('any')
    expect(parseDatabaseUrl('postgres://h1,h2/db?target_session_attrs=any').session).toBe('any')
    expect(parseDatabaseUrl('postgres://h1/db?target_session_attrs=primary').session).toBe('primary')
  })
})

describe('who comes, and to which database', () => {
  test.each([
    ['postgres://user:p%40s:s@h/db', { user: 'user', password: 'p@s:s', database: 'db' }],
    ['postgres://user:p@ss@h/db', { user: 'user', password: 'p@ss', database: 'db' }],
    ['postgres://user:100%@h/d%C3%A9', { user: 'user', password: '100%', database: 'dé' }],
    ['postgres://h/?user=u&password=a+b&dbname=d', { user: 'u', password: 'a+b', database: 'd' }],
    ['postgres://h/db?application_name=me&schema=public', { database: 'db', application_name: 'me' }],
    ['postgres://h', {}],
  ])('%s', (url, login) => {
    expect(parseDatabaseUrl(url).login).toEqual(login)
  })
})

describe('TLS', () => {
  test.each([
    ['', undefined],
    ['?sslmode=require', 'require'],
    ['?sslmode=prefer', 'prefer'],
    ['?ssl=true', 'verify-full'],
    ['?ssl=0', 'disable'],
    ['?ssl=no-verify', 'no-verify'],
    ['?sslrootcert=/ca.pem', 'verify-full'],
    ['?sslcert=/c.pem&sslkey=/k.pem', 'require'],
    ['?sslmode=verify-ca&sslrootcert=system', 'verify-ca'],
  ])('%s', (query, mode) => {
    expect(parseDatabaseUrl(`postgres://h/db${query}`).tls.mode).toBe(mode)
  })
})

test.each([
  'mysql://user:hunter2@h/db',
  'h:5432/db',
  'postgres://user:hunter2@h:port/db',
  'postgres://user:hunter2@h:0/db',
  'postgres://user:hunter2@h:70000/db',
  'postgres://user:hunter2@h1 h2/db',
  'postgres://user:hun#ter2@h/db',
  'postgres://user:hunter2%FF@h/db',
  'postgres://user:hunter2@h1,h2,h3/db?port=1,2',
  'postgres://user:hunter2@h/db?sslmode=hunter2',
  'postgres://user:hunter2@h/db?sslmod=require',
  'postgres://user:hunter2@h/db?sslcert=/hunter2.pem',
  'postgres://user:hunter2@h/db?target_session_attrs=standby',
  'postgres://user:hunter2@h/db?connect_timeout=soon',
])('%s is refused, without a value', (url) => {
  expect(() => parseDatabaseUrl(url)).toThrow(DatabaseUrlError)
  expect(() => parseDatabaseUrl(url)).not.toThrow(/hun/)
})
