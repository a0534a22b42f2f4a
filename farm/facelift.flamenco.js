// SPDX-License-Identifier: GPL-3.0-or-later
// A job type for Flamenco: many shots, one task a shot, and for long shots one a range of frames first.
// Put this file into the Manager's scripts folder. A broken shot stops no other; the last task names it and fails.

const JOB_TYPE = {
    label: "FaceLift",
    description: "Footage of faces into animation, a folder a shot.",
    settings: [
        { key: "shots", type: "string", subtype: "file_path", required: true, visible: "visible",
          description: "The shot list, a .csv or .json. Its footage lies beside it or below." },
        { key: "output", type: "string", subtype: "dir_path", required: true, visible: "visible",
          description: "The folder for the results." },
        { key: "last_shot", type: "int32", default: 1, propargs: { min: 1 }, required: true, visible: "visible",
          description: "Number of shots in the list." },
        { key: "parts", type: "int32", default: 1, propargs: { min: 1, max: 1000 }, visible: "visible",
          description: "Ranges of frames that a long shot is split in, each tracked on a machine of its own." },
        { key: "exports", type: "string", default: "fbx,csv,json,blend", visible: "visible",
          description: "File formats for shots that name none." },
        { key: "facelift", type: "string", subtype: "file_path", required: true, visible: "visible",
          description: "The extension's batch.py, as the workers see it." },
    ],
};

function compileJob(job) {
    const report = author.Task("report", "misc");
    report.addCommand(batch(job.settings, ["--report"]));
    for (let shot = 1; shot <= job.settings.last_shot; shot++) {
        const task = shotTask(job, shot);
        report.addDependency(task);
    }
    job.addTask(report);
}

function shotTask(job, shot) {
    const settings = job.settings;
    const chosen = ["--export", settings.exports, "--parts", String(settings.parts), "--number", String(shot), "--tell-later"];
    const whole = author.Task("shot-" + shot, "blender");
    whole.addCommand(batch(settings, chosen));
    for (let part = 1; settings.parts > 1 && part <= settings.parts; part++) {
        const range = author.Task("shot-" + shot + "-range-" + part, "blender");
        range.addCommand(batch(settings, chosen.concat(["--part", String(part)])));
        job.addTask(range);
        whole.addDependency(range);
    }
    job.addTask(whole);
    return whole;
}

function batch(settings, options) {
    const args = ["-b", "-P", settings.facelift, "--", "batch", settings.shots, "-o", settings.output];
    return author.Command("exec", { exe: "{blender}", args: args.concat(options) });
}
