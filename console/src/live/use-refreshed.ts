import { useEffect, useRef } from 'react'

/** Calls `refresh` again and again while the page is in sight: for what no subscription tells. */
export function useRefreshed(refresh: () => void, everyMs: number): void {
  const latest = useRef(refresh)
  useEffect(() => {
    latest.current = refresh
  })
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') latest.current()
    }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
}
