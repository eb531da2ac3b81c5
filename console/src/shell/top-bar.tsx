import { type MouseEvent } from 'react'
import { Link, useRoute } from 'wouter'
import { graphiqlUrl } from '../api/place.ts'
import type { LiveState } from '../api/live-link.ts'
import { useSession } from '../session/session.tsx'

const screens = [
  ['/', 'Overview'],
  ['/requests', 'Requests'],
  ['/backends', 'Backends'],
  ['/usage', 'Usage'],
  ['/access', 'Keys'],
  ['/try', 'Try it'],
  ['/start', 'First steps'],
] as const

export function TopBar() {
  const { caller, liveState, signOut } = useSession()
  return (
    <header className="top-bar">
      <Link href="/" className="brand" aria-label="Signalbox, overview">
        <img src="./favicon.svg" alt="" width="22" height="22" /> <span>Signalbox</span>
      </Link>
      <nav aria-label="Screens">
        {screens.map(([path, name]) => (
          <NavLink key={path} path={path} name={name} />
        ))}
        <a href={graphiqlUrl.href}>GraphiQL</a>
      </nav>
      <LivePill state={liveState} />
      <span className="caller" title={`${caller.owner}, ${caller.role.toLowerCase()}`}>
        {caller.name}
      </span>
      <button type="button" className="small" onClick={() => signOut()}>
        Sign out
      </button>
    </header>
  )
}

function NavLink({ path, name }: { readonly path: string; readonly name: string }) {
  const [isHere] = useRoute(path === '/' ? path : `${path}/*?`)
  return (
    <Link href={path} aria-current={isHere ? 'page' : undefined}>
      {name}
    </Link>
  )
}

const liveWords: Readonly<Record<LiveState, string>> = {
  idle: 'Idle',
  connecting: 'Connecting …',
  live: 'Live',
  reconnecting: 'Connection lost, reconnecting …',
}

function LivePill({ state }: { readonly state: LiveState }) {
  return (
    <span className={`pill ${state}`} role="status" data-live={state}>
      {liveWords[state]}
    </span>
  )
}

/** With a <base>, a bare fragment would lead to another page. */
export function toMain(event: MouseEvent): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}
