import { createContext, type ReactNode, use, useCallback, useState } from 'react'

const AnnouncerContext = createContext<(text: string) => void>(() => {})

/** Says what was done, to eyes and to screen readers alike. */
export function useAnnounce(): (text: string) => void {
  return use(AnnouncerContext)
}

export function Announcer({ children }: { readonly children: ReactNode }) {
  const [said, setSaid] = useState<{ text: string; number: number }>()
  const announce = useCallback((text: string) => setSaid((last) => ({ text, number: (last?.number ?? 0) + 1 })), [])
  return (
    <AnnouncerContext value={announce}>
      {children}
      <div className="announcer" role="status" aria-live="polite">
        {said && <p key={said.number}>{said.text}</p>}
      </div>
    </AnnouncerContext>
  )
}
