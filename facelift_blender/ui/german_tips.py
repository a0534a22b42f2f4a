# SPDX-License-Identifier: GPL-3.0-or-later
"""What FaceLift's buttons and fields say in German when the mouse rests on them."""

from __future__ import annotations

from typing import Final

from ..rigs.picks import PICKS

_POINTS: Final = (
    "Rechtes Auge, äußerer Winkel",
    "Rechtes Auge, innerer Winkel",
    "Linkes Auge, innerer Winkel",
    "Linkes Auge, äußerer Winkel",
    "Nasenspitze",
    "Rechter Mundwinkel",
    "Linker Mundwinkel",
    "Oberlippe, Mitte des oberen Rands",
    "Unterlippe, Mitte des unteren Rands",
    "Kinnspitze",
)
_REGIONS: Final = {
    "contour": "der Kontur",
    "brows": "der Brauen",
    "nose": "der Nase",
    "eyes": "der Augen",
    "mouth": "des Mundes",
    "irises": "der Iriden",
    "cheeks": "der Wangen",
    "forehead": "der Stirn",
    "chin": "des Kinns",
}
_PARTS: Final = {
    "the head's motion": "der Bewegung des Kopfs",
    "mouth and chin": "Mund und Kinn",
    "lids and gaze": "Lidern und Blick",
    "brows and forehead": "Brauen und Stirn",
    "contour, cheeks and nose": "Kontur, Wangen und Nase",
}
TIPS: Final = {
    **{
        f"{label}; right and left are the actor's own": f"{german}; rechts und links sind die des Darstellers"
        for label, german in zip(PICKS.values(), _POINTS, strict=True)
    },
    **{f"The landmarks of the {region}": f"Die Landmarken {german}" for region, german in _REGIONS.items()},
    **{
        f"How strongly jitter is taken out of {part}; acts at once, without tracking again": (
            f"Wie stark das Zittern aus {german} genommen wird; wirkt sofort, ohne neu zu verfolgen"
        )
        for part, german in _PARTS.items()
    },
    # of a clip
    "Track only a part of the clip": "Nur einen Teil des Clips verfolgen",
    "First frame of the clip to track, counted from 1": "Erstes Bild des Clips, das verfolgt wird, ab 1 gezählt",
    "Last frame of the clip to track": "Letztes Bild des Clips, das verfolgt wird",
    "Track everyone in the footage, each into a collection": "Alle im Material verfolgen, jeden in eine eigene Sammlung",
    "Whom to track: 1 is who is seen largest and longest": "Wer verfolgt wird: 1 ist, wer am größten und längsten zu sehen ist",
    "How closely the footage is looked at": "Wie genau das Material angesehen wird",
    "Look at every second frame and bridge between: twice as fast, quick motion is lost": (
        "Jedes zweite Bild ansehen und dazwischen überbrücken: doppelt so schnell, rasche Bewegung geht verloren"
    ),
    "Look at every frame": "Jedes Bild ansehen",
    "Look at every frame and at its mirror picture: calmer, half as fast": (
        "Jedes Bild und sein Spiegelbild ansehen: ruhiger, halb so schnell"
    ),
    "Use the focal length below instead of solving for it": "Die Brennweite darunter nehmen, statt sie zu lösen",
    "Of the lens that filmed the clip, in mm": "Die des Objektivs, mit dem der Clip gefilmt wurde, in mm",
    "Of the camera that filmed the clip, in mm": "Die der Kamera, mit der der Clip gefilmt wurde, in mm",
    "The lens zooms during the clip: solve a focal length for every frame; one that is known holds for their mean": (
        "Das Objektiv zoomt während des Clips: für jedes Bild eine Brennweite lösen; eine bekannte gilt für deren Mittel"
    ),
    "Whose motion the picture shows": "Wessen Bewegung das Bild zeigt",
    "The camera stands still, as on a tripod: all motion is the head's": (
        "Die Kamera steht still, wie auf einem Stativ: alle Bewegung ist die des Kopfs"
    ),
    "The camera moves as Blender's own tracker has solved it for this clip; the head's motion is what is left": (
        "Die Kamera bewegt sich, wie Blenders eigene Kameraverfolgung es für diesen Clip gelöst hat; die Bewegung des Kopfs ist, was bleibt"
    ),
    "The head is held where it was on its first frame, and the camera moves about it": (
        "Der Kopf bleibt, wo er auf seinem ersten Bild war, und die Kamera bewegt sich um ihn"
    ),
    "What tells how large the face is": "Was sagt, wie groß das Gesicht ist",
    "The distance between the actor's pupils tells how large all is": "Der Abstand der Pupillen sagt, wie groß alles ist",
    "A distance between two points of the face, measured on the actor, tells how large all is": (
        "Ein Abstand zwischen zwei Punkten des Gesichts, am Darsteller gemessen, sagt, wie groß alles ist"
    ),
    "Between the actor's pupils, in mm; 63 is usual": "Zwischen den Pupillen des Darstellers, in mm; 63 ist üblich",
    "One end of the measured distance": "Das eine Ende des gemessenen Abstands",
    "The other end of the measured distance": "Das andere Ende des gemessenen Abstands",
    "Between the two points with the face at rest, in mm": "Zwischen den beiden Punkten bei ruhendem Gesicht, in mm",
    "How strongly jitter is taken out; no lag at any value": "Wie stark das Zittern herausgenommen wird; verzögert bei keinem Wert",
    # of a take
    "Frame of the clip": "Bild des Clips",
    "Row of the landmark table": "Zeile der Landmarkentafel",
    "Place on the plate in pixels, y down": "Stelle im Bild in Pixeln, y nach unten",
    "Part of the face that is hidden": "Teil des Gesichts, der verdeckt ist",
    "First frame of the clip on which it is hidden": "Erstes Bild des Clips, auf dem er verdeckt ist",
    "Last frame of the clip on which it is hidden": "Letztes Bild des Clips, auf dem er verdeckt ist",
    "Count the expression from the face of one frame instead of the solved one": (
        "Den Ausdruck vom Gesicht eines Bilds aus zählen statt vom gelösten"
    ),
    "Frame of the clip on which the face is at rest: eyes open, mouth shut, nothing raised": (
        "Bild des Clips, auf dem das Gesicht ruht: Augen offen, Mund zu, nichts gehoben"
    ),
    "Between the actor's pupils, in mm: it sets the scale of head and distance; 63 is usual": (
        "Zwischen den Pupillen des Darstellers, in mm: der Maßstab für Kopf und Entfernung; 63 ist üblich"
    ),
    "Show the take without its corrections, to compare": "Die Aufnahme ohne ihre Korrekturen zeigen, zum Vergleich",
    "Frames on both sides over which a correction fades out": "Bilder auf beiden Seiten, über die eine Korrektur ausläuft",
    "The chosen correction": "Die gewählte Korrektur",
    "The chosen stretch": "Die gewählte Strecke",
    # of a scene
    "The movie clip to track": "Der Clip, der verfolgt wird",
    "How the clip's frames become the scene's": "Wie die Bilder des Clips zu denen der Szene werden",
    "The scene takes the clip's frame rate, frame range and resolution": "Die Szene nimmt Bildrate, Bildbereich und Auflösung des Clips an",
    "One scene frame a clip frame, so that the plate stays in step; the scene keeps its frame rate": (
        "Ein Szenenbild je Clipbild, so dass der Hintergrund im Takt bleibt; die Szene behält ihre Bildrate"
    ),
    "Real time is kept at the scene's frame rate, with keys between frames where the rates differ": (
        "Die echte Zeit bleibt bei der Bildrate der Szene, mit Schlüsseln zwischen Bildern, wo die Raten verschieden sind"
    ),
    "The take that is shown here and exported": "Die Aufnahme, die hier gezeigt und exportiert wird",
    "Draw the take over the plate in the Movie Clip Editor": "Die Aufnahme im Movie-Clip-Editor über das Bild zeichnen",
    "Landmarks, from red (not to be trusted) to green": "Landmarken, von Rot (nicht zu trauen) bis Grün",
    "Lines along brows, eyes, nose, lips and jaw": "Linien entlang Brauen, Augen, Nase, Lippen und Kiefer",
    "The solved head as a wire mesh": "Der gelöste Kopf als Drahtnetz",
    "Colour the landmarks' empties from red (not to be trusted) to green, each region on each frame": (
        "Die Empties der Landmarken von Rot (nicht zu trauen) bis Grün färben, jeden Bereich auf jedem Bild"
    ),
    "Where the eyes look": "Wohin die Augen sehen",
    "Part of the face to correct or to mute": "Teil des Gesichts, der korrigiert oder stummgeschaltet wird",
    # of a character
    "Shape key or bone of the character": "Formschlüssel oder Knochen der Figur",
    "ARKit shapes that drive it": "ARKit-Formen, die ihn treiben",
    "How sure the match is": "Wie sicher die Zuordnung ist",
    "How strongly the performance is passed on": "Wie stark das Spiel weitergegeben wird",
    "Added to every frame": "Wird zu jedem Bild addiert",
    "Write this channel": "Diesen Kanal schreiben",
    "What is written on the character": "Was auf die Figur geschrieben wird",
    "Keys in the character's own action, which keeps all else that it animates": (
        "Schlüssel in der eigenen Aktion der Figur, die alles behält, was sie sonst animiert"
    ),
    "An action of its own on an NLA track": "Eine eigene Aktion auf einer NLA-Spur",
    "Drivers that follow the take's face in this file; head and eyes are keyed": (
        "Treiber, die dem Gesicht der Aufnahme in dieser Datei folgen; Kopf und Augen bekommen Schlüssel"
    ),
    "Move the head bone": "Den Kopfknochen bewegen",
    "Move the eye bones": "Die Augenknochen bewegen",
    "Move bones that stand for expressions": "Knochen bewegen, die für Ausdrücke stehen",
    "The neck's share of the head's turn": "Der Anteil des Halses an der Drehung des Kopfs",
    "The mapping as it was matched or loaded, as JSON": "Die Zuordnung, wie sie gefunden oder geladen wurde, als JSON",
    "The chosen channel": "Der gewählte Kanal",
    "What a person should know of the match": "Was man von der Zuordnung wissen sollte",
    "Armature or face to bring the take onto": "Armatur oder Gesicht, worauf die Aufnahme kommt",
    # preferences and presets
    "What looks at the footage": "Was das Material ansieht",
    "The fastest that this machine offers": "Das Schnellste, das dieser Rechner bietet",
    "The processor alone, for the same result on every machine": "Der Prozessor allein, mit demselben Ergebnis auf jedem Rechner",
    "Processor threads for looking at the footage; 0 lets FaceLift choose and leaves some for Blender": (
        "Prozessor-Threads für das Ansehen des Materials; bei 0 wählt FaceLift und lässt Blender welche"
    ),
    "Gigabytes of recent takes to keep; a saved file has its own beside it": (
        "Gigabyte an neueren Aufnahmen, die bleiben; eine gespeicherte Datei hat ihre eigenen neben sich"
    ),
    "Where recent takes are kept; empty for Blender's own user folder": (
        "Wo neuere Aufnahmen liegen; leer für Blenders eigenen Benutzerordner"
    ),
    "Way of filming": "Art zu filmen",
    "A calm head before a long lens: strong smoothing, everyone in the picture": (
        "Ein ruhiger Kopf vor langem Objektiv: starke Glättung, alle im Bild"
    ),
    "Quick acting of one person: little smoothing, the closest look": ("Rasches Spiel einer Person: wenig Glättung, der genaueste Blick"),
    "A wide lens near the face, its focal length known": "Ein Weitwinkel nah am Gesicht, seine Brennweite bekannt",
    "A phone at arm's length: the usual front camera, 26 mm in 35 mm equivalents": (
        "Ein Handy auf Armlänge: die übliche Frontkamera, 26 mm auf Kleinbild bezogen"
    ),
    # operators
    "Find the face in the footage and animate a camera, a head, landmarks and a face with it": (
        "Das Gesicht im Material finden und damit Kamera, Kopf, Landmarken und Gesicht animieren"
    ),
    "Go on with the frame after the last one that was tracked before the stop, with the settings of then": (
        "Mit dem Bild nach dem letzten weitermachen, das vor dem Anhalten verfolgt war, mit den Einstellungen von damals"
    ),
    "Stop tracking and build what is done so far": "Das Verfolgen anhalten und aufbauen, was bis dahin fertig ist",
    "Make tracking markers of the take's points, to move them by hand in the Movie Clip Editor": (
        "Aus den Punkten der Aufnahme Marker machen, um sie im Movie-Clip-Editor von Hand zu verschieben"
    ),
    "Which landmarks become markers": "Welche Landmarken zu Markern werden",
    "Every landmark": "Jede Landmarke",
    "The landmarks of the chosen region": "Die Landmarken des gewählten Bereichs",
    "The landmarks whose empties are selected in the 3D View": "Die Landmarken, deren Empties in der 3D-Ansicht ausgewählt sind",
    "Take the take's markers away; what was moved among them stays as corrections": (
        "Die Marker der Aufnahme wegnehmen; was darunter verschoben wurde, bleibt als Korrektur"
    ),
    "Solve again around what was corrected: moved markers, muted stretches, locked frames": (
        "Um das herum neu lösen, was korrigiert wurde: verschobene Marker, stumme Strecken, gesperrte Bilder"
    ),
    "Lock this frame, so that no correction nearby changes it, or unlock it": (
        "Dieses Bild sperren, so dass keine Korrektur in der Nähe es ändert, oder es freigeben"
    ),
    "Do not believe what is seen of the chosen region from this frame on, a hand before the mouth say; set the end in the list": (
        "Ab diesem Bild nicht glauben, was vom gewählten Bereich zu sehen ist (Hand vor dem Mund); das Ende steht in der Liste"
    ),
    "How many frames to mute, from this one on": "Wie viele Bilder stumm sein sollen, ab diesem",
    "Remove this correction; Refine then solves without it": "Diese Korrektur entfernen; Verfeinern löst dann ohne sie",
    "What is removed": "Was entfernt wird",
    "A moved point": "Ein verschobener Punkt",
    "A muted stretch": "Eine stumme Strecke",
    "Every correction": "Jede Korrektur",
    "Go to the frame where the take is least sure, and from one of these to the next; locked frames are passed over": (
        "Zum Bild gehen, auf dem die Aufnahme am wenigsten sicher ist, und von einem solchen zum nächsten; gesperrte werden übergangen"
    ),
    "Show the frame of the chosen correction": "Das Bild der gewählten Korrektur zeigen",
    "Look through the camera that filmed the take, with the plate behind": (
        "Durch die Kamera sehen, die die Aufnahme gefilmt hat, mit dem Bild dahinter"
    ),
    "Count the expression from the face of this frame: eyes open, mouth shut, nothing raised": (
        "Den Ausdruck vom Gesicht dieses Bilds aus zählen: Augen offen, Mund zu, nichts gehoben"
    ),
    "Put the take itself into the .blend, so that the file needs nothing beside it, or take it out again": (
        "Die Aufnahme selbst in die .blend legen, so dass die Datei nichts neben sich braucht, oder sie wieder herausnehmen"
    ),
    "Delete the take files beside this .blend that nothing in it refers to any more": (
        "Die Aufnahmedateien neben dieser .blend löschen, auf die nichts in ihr mehr verweist"
    ),
    "Write camera, head, landmarks and face of the take as FBX, a key a frame": (
        "Kamera, Kopf, Landmarken und Gesicht der Aufnahme als FBX schreiben, ein Schlüssel je Bild"
    ),
    "Write the take's expression, head and eyes as the CSV of the Live Link Face app": (
        "Ausdruck, Kopf und Augen der Aufnahme als CSV der App Live Link Face schreiben"
    ),
    "Write the whole take as JSON": "Die ganze Aufnahme als JSON schreiben",
    "Write the review sheet: one page with the take over its plate, its curves, its worst frames and its figures": (
        "Das Prüfblatt schreiben: eine Seite mit der Aufnahme über ihrem Bild, ihren Kurven, schlechtesten Bildern und Zahlen"
    ),
    "Add the head that ships with FaceLift, with its 52 shape keys: a character to try retargeting on": (
        "Den Kopf von FaceLift mit seinen 52 Formschlüsseln hinzufügen: eine Figur, an der man das Übertragen ausprobiert"
    ),
    "Find out by their names which shape keys and bones of the character stand for what; nothing is written yet": (
        "Aus den Namen herausfinden, welche Formschlüssel und Knochen der Figur wofür stehen; noch wird nichts geschrieben"
    ),
    "Write the take on the character; done again it replaces what it wrote and leaves all else alone": (
        "Die Aufnahme auf die Figur schreiben; noch einmal getan, ersetzt es das Geschriebene und lässt alles andere"
    ),
    "Take off the character what FaceLift wrote of this take": "Von der Figur nehmen, was FaceLift von dieser Aufnahme geschrieben hat",
    "Write the mapping to a file, for other takes and other shots of this character": (
        "Die Zuordnung in eine Datei schreiben, für andere Aufnahmen dieser Figur"
    ),
    "Read a mapping from a file and lay it over what the names say": (
        "Eine Zuordnung aus einer Datei lesen und über das legen, was die Namen sagen"
    ),
    "Click on the head where the header says: eyes, nose, mouth, chin. Each point becomes an empty that can be moved afterwards": (
        "Auf den Kopf klicken, wo die Kopfzeile es sagt: Augen, Nase, Mund, Kinn. Jeder Punkt wird ein Empty, das man verschieben kann"
    ),
    "Remove the points that were picked on the head": "Die Punkte entfernen, die auf den Kopf gesetzt wurden",
    "Give the head the 52 ARKit shapes as shape keys, carried over from FaceLift's own by the picked points": (
        "Dem Kopf die 52 ARKit-Formen als Formschlüssel geben, nach den gesetzten Punkten vom Kopf von FaceLift übernommen"
    ),
    "Set how the clip is tracked to what suits a way of filming": "Das Verfolgen des Clips so einstellen, wie es zur Art zu filmen passt",
    "Keep how this clip is tracked as a preset, or remove one": ("Wie dieser Clip verfolgt wird als Vorgabe behalten, oder eine entfernen"),
    "Draw the take over the plate, or do not": "Die Aufnahme über das Bild zeichnen, oder nicht",
}
