import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Behaviour, behaviours } from '../upstream/behaviour.ts'
import { openChildServer } from './child-server.ts'
import { chatPath, type ContenderStart } from './contender.ts'
import { freePort } from '../../test/support/ports.ts'

/** The system's nginx as a plain reverse proxy, tuned for this work: keep-alive on both sides, nothing buffered to disk, no log. */
export const nginx: ContenderStart = {
  name: 'nginx',
  open: async (upstreamPorts) => {
    if (spawnSync('nginx', ['-v']).error) throw new Error('not here: no nginx on this system')
    const folder = await mkdtemp(join(tmpdir(), 'sbx-nginx-'))
    const ports = Object.fromEntries(
      await Promise.all(behaviours.map(async (behaviour) => [behaviour, await freePort()] as const)),
    ) as Record<Behaviour, number>
    await writeFile(join(folder, 'nginx.conf'), configuration(folder, ports, upstreamPorts))
    const words = ['nginx', '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')]
    const server = await openChildServer(words, ports.small, { cwd: folder })
    return {
      name: 'nginx',
      address: (behaviour) => ({ port: ports[behaviour], path: chatPath, headers: {} }),
      pids: server.pids,
      close: async () => {
        await server.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
}

type Ports = Readonly<Record<Behaviour, number>>

function configuration(folder: string, ports: Ports, upstreamPorts: Ports): string {
  const servers = behaviours.map(
    (behaviour) => `
  upstream ${behaviour} { server 127.0.0.1:${upstreamPorts[behaviour]}; keepalive 6000; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${ports[behaviour]} backlog=8192;
    location / { proxy_pass http://${behaviour}; }
  }`,
  )
  return `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${folder}/pid;
events { worker_connections 19000; }
http {
  access_log off; error_log ${folder}/error.log; keepalive_requests 1000000000; keepalive_timeout 300s; tcp_nodelay on;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  client_max_body_size 64m; client_body_buffer_size 1m;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 600s;
${servers.join('\n')}
}
`
}
