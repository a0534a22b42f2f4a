# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceLift's words in other languages. The source is English; a language that lacks a word shows it so."""

from __future__ import annotations

from typing import Final

import bpy

GERMAN: Final = {
    "Track": "Verfolgen",
    "Track Footage": "Material verfolgen",
    "Resume": "Fortsetzen",
    "Resume from Frame {}": "Fortsetzen ab Bild {}",
    "Stop": "Anhalten",
    "Stopping": "Wird angehalten",
    "Starting": "Beginnt",
    "What is done is kept": "Was fertig ist, bleibt",
    "{:.0f} frames/s, {:.0f} s left": "{:.0f} Bilder/s, noch {:.0f} s",
    "Actors": "Darsteller",
    "All Actors": "Alle Darsteller",
    "Actor": "Darsteller",
    "{} frames": "{} Bilder",
    "Quality": "Qualität",
    "Draft": "Entwurf",
    "Fine": "Fein",
    "Lens": "Objektiv",
    "Known": "Bekannt",
    "Sensor Width": "Sensorbreite",
    "Smoothing": "Glättung",
    "Timing": "Zeitmaß",
    "Correct": "Korrigieren",
    "Corrections": "Korrekturen",
    "Next Worst Frame": "Nächstes schlechtes Bild",
    "To Markers": "Zu Markern",
    "Refine": "Verfeinern",
    "Falloff": "Auslauf",
    "Before Corrections": "Vor den Korrekturen",
    "Move markers on the plate, then Refine": "Marker im Bild verschieben, dann verfeinern",
    "Lock Frame {}": "Bild {} sperren",
    "Unlock Frame {}": "Bild {} freigeben",
    "Mute Region": "Bereich stummschalten",
    "Moved Points": "Verschobene Punkte",
    "Muted Stretches": "Stumme Strecken",
    "Remove All Corrections": "Alle Korrekturen entfernen",
    "Take": "Aufnahme",
    "Frames": "Bilder",
    "Residual": "Restfehler",
    "90 % Interval": "90-%-Intervall",
    "Ran On": "Gerechnet auf",
    "Look Through Camera": "Durch die Kamera sehen",
    "Adjust": "Anpassen",
    "Pupil Distance": "Pupillenabstand",
    "At Rest": "In Ruhe",
    "At Rest Here": "Hier in Ruhe",
    "Overlay": "Überlagerung",
    "Gaze": "Blick",
    "Contours": "Konturen",
    "Retarget": "Übertragen",
    "Match": "Zuordnen",
    "Mapping": "Zuordnung",
    "Character": "Figur",
    "Add Demo Head": "Beispielkopf hinzufügen",
    "Review Sheet": "Prüfblatt",
    "Pack Take into File": "Aufnahme in die Datei packen",
    "Unpack Take": "Aufnahme auspacken",
    "Cache Size": "Größe des Zwischenspeichers",
    "Cache Folder": "Ordner des Zwischenspeichers",
    "Interview": "Interview",
    "Performance": "Schauspiel",
    "Wide Lens": "Weitwinkel",
    "Phone Selfie": "Handy-Selfie",
}
LANGUAGES: Final = {"de_DE": GERMAN}


def dictionary() -> dict[str, dict[tuple[str, str], str]]:
    """As Blender wants it: a word of an operator's label has a context of its own."""
    return {
        code: {(context, source): word for source, word in words.items() for context in ("*", "Operator")}
        for code, words in LANGUAGES.items()
    }


def attach() -> None:
    """Offer the translations."""
    bpy.app.translations.register(__name__, dictionary())


def detach() -> None:
    """Withdraw them."""
    bpy.app.translations.unregister(__name__)
