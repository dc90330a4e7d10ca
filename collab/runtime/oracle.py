"""The simulator's own participant: upper bounds that no real collaboration could compute, and the held-out set."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from collab.data.copies import Holder, copies_told, refuse_test_split_of_training_images
from collab.data.subsets import stratified_subsets
from collab.metric import MetricName
from collab.metrics.identity import cosine_similarity
from collab.metrics.perceptual import lpips_network
from collab.metrics.reidentification import embedded
from collab.metrics.scores import mean_measure
from collab.metrics.utility import topk_hits
from collab.models.freeze import freeze
from collab.models.recognizer import Individuals
from collab.party.attacking import STOLEN, dealt, guess_name
from collab.party.disclosure import (
    Gallery,
    Images,
    compared,
    compared_measures,
    leakage_measures,
    rank_measures,
    to_uint8,
)
from collab.party.guessing import attribute_measures, match_measures, membership_measures
from collab.party.inference import (
    IDENTIFIER,
    identifier_of,
    kept_numbers,
    read_off,
    reader_of,
    what_is_private,
    who_is_it,
)
from collab.party.layout import load_images, load_numbers
from collab.party.participant import Participant
from collab.party.scoring import PICTURES, guesses, likeness, priors, worst_and_median
from collab.runtime.assign import Assignment, Holding
from collab.scenario.base import AttackOptions
from collab.scenario.model import Refinement
from collab.seeding import Stream
from collab.store.codec import as_stored
from collab.store.pictures import judged_file
from collab.store.private import private_folder
from collab.store.release import read_release, write_release
from collab.store.shards import ShardReader
from collab.training.feeds import ImageSet
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import blurred, train_classifier
from collab.types import Crossing, Measure, Report


class Oracle(Participant):
    """Holds what no entity may hold, images of all entities, and reads them from the source itself."""

    assignment: Assignment
    holding: Holding

    def find_copies(self, progress: Progress) -> Report:
        """Counts images that stand twice, before anything is trained; DataError if held-out ones are training images.

        What it answers is counts in words; digests stay here.
        """
        rows = {name: each.rows for name, each in self.assignment.entities.items()}
        entities = {
            name: Holder.of(rows[name], load_images(private_folder(self.layout.run, name)).images) for name in rows
        }
        heldout = Holder.of(self.assignment.heldout.rows, self.heldout.images)
        public = Holder.of(self.assignment.public.rows, load_images(self.layout.public).images)
        refuse_test_split_of_training_images(entities, heldout)
        return Report(facts=copies_told(entities, heldout, public))

    def featurize_heldout(self, progress: Progress) -> Report:
        """F of the held-out images, once for all; scores the released C (control `c_public`), and guesses on 2,000."""
        self.write_features(self.layout.heldout, self.heldout)
        count = min(len(self.heldout), 2000)
        images = self.heldout.take(np.arange(count), self.compute.device)
        labels = torch.from_numpy(self.heldout.classes[:count]).to(self.compute.device)
        guesses = priors(images, labels, self.stream("priors").torch("unrelated"), self.scenario.seed)
        chance = self.task.chance(self.heldout_features[1])
        return Report((*self.score_features(self.released.decider), *chance, *guesses))

    def recognize(self, progress: Progress) -> Report:
        """Trains the recognizer on all images that the oracle reads, and asks it about held-out images and guesses.

        Half of what it sees is blurred, so that it can tell what a coarse reconstruction shows.
        """
        wanted, seed = self.scenario.disclosure, self.scenario.seed
        assert wanted is not None  # else this stage is not played
        if wanted.lpips is not None:
            lpips_network(wanted.lpips)  # if it is not there, that is told before anything is trained
        if wanted.recognizer is not None:
            stream = self.stream("recognize")
            with stream.initialization():
                network = self.new_recognizer(wanted.recognizer.width)
            recipe = Recipe.of(wanted.recognizer)
            shown = ImageSet(self.images.images, self.images.classes)
            train_classifier(
                network, shown, recipe, stream=stream, compute=self.compute, progress=progress, spoil=blurred
            )
            write_release(self.layout.heldout, "recognizer", network.state_dict(), {})
        count = min(len(self.heldout), 2000)
        images = self.heldout.take(np.arange(count), self.compute.device)
        labels = torch.from_numpy(self.heldout.classes[:count]).to(self.compute.device)
        told = list[Measure]()
        for name, guess in guesses(images, labels, self.stream("priors").torch("unrelated")).items():
            found = compared(_rows_of(guess), _rows_of(images), labels, self.eye)
            told += [mean_measure(f"{metric}_prior_{name}", values, seed) for metric, values in found.items()]
        if self.eye.recognizer is not None:
            hits = topk_hits(embedded(self.eye.recognizer, images), labels, 1)
            told.append(mean_measure("recognized_true", hits, seed))
        return Report(tuple(told))

    def embed(self, progress: Progress) -> Report:
        """Trains the embedding of individuals on those of the public images, and tells what guesses score with it."""
        wanted = None if self.scenario.exposure is None else self.scenario.exposure.embedding
        individuals = load_numbers(self.layout.public, "identities")
        assert wanted is not None  # else this stage is not played
        assert individuals is not None
        stream, public = self.stream("embed"), load_images(self.layout.public)
        labels = np.unique(individuals, return_inverse=True)[1].astype(np.int64)
        with stream.initialization():
            network = Individuals(int(labels.max()) + 1, self.scenario.data.image_size)
        shown = ImageSet(public.images, labels)
        train_classifier(network, shown, Recipe.of(wanted), stream=stream, compute=self.compute, progress=progress)
        known = public.take(np.arange(len(public)), self.compute.device)
        network.center.copy_(embedded(network.embedding, known).mean(0))
        write_release(self.layout.heldout, "embedding", network.state_dict(), {})
        images = self.heldout.take(np.arange(len(self.heldout)), self.compute.device)
        true, rows = embedded(network.embedding, images), torch.randperm(len(images), generator=stream.torch("others"))
        mean = embedded(network.embedding, images.mean(0, keepdim=True)).expand_as(true)
        told = (("unrelated", true[rows.to(true.device)]), ("mean", mean))
        return Report(
            tuple(
                mean_measure(f"face_similarity_prior_{name}", cosine_similarity(guess, true), self.scenario.seed)
                for name, guess in told
            )
        )

    def refine(self, row: Refinement, most_rows: int, progress: Progress) -> Report:
        """From scratch on a share of all images, or the released C on unpoisoned features of several entities."""
        if row.share is not None:
            drawn = stratified_subsets(
                self.assignment.strata, {"all": row.share}, self.stream("share").numpy(str(row.share))
            )
            images = self.images_at(self.assignment.everything.rows[np.sort(drawn["all"])])
            return self.train_from_scratch(row, images, self.stream("refine"), progress)
        entity = str(row.entity)
        readers = [self.features_of_entity(name) for name in (entity, *sorted(row.unpoisoned))]
        stream = self.stream_of(entity, "refine")  # the entity's own, so that only poisoning differs
        _, report = self.refined(readers, most_rows, row, stream, progress)
        return report

    def hand_out(self, attacker: str, attack: AttackOptions, victim: str) -> Report:
        """Gives an adversary what its class has of the truth: pairs of the victim, candidates, a stolen module."""
        wanted = attack.hand_out
        assert wanted is not None  # else this stage is not played
        given, sent = dict[str, Tensor](), list[Crossing]()
        if wanted.pairs:
            rows = self.published_rows(victim)
            _, pairs = dealt(len(rows), attack)
            given["pairs"] = torch.from_numpy(self.images_at(rows[len(rows) - pairs :]).images)
        if wanted.candidates:
            given["candidates"] = torch.from_numpy(self.images_at(self._candidates(attacker, attack, victim)[0]).images)
        if wanted.module:
            state, _ = read_release(private_folder(self.layout.run, victim), "defense")
            given |= {f"{STOLEN}{name}": value for name, value in state.items()}
        digest = write_release(self.layout.handed(attacker), guess_name(attack.label, victim), given, {})
        for kind in dict.fromkeys(name.partition(".")[0] for name in given):
            parts = [value for name, value in given.items() if name.partition(".")[0] == kind]
            shape = tuple(parts[0].shape) if len(parts) == 1 else (len(parts),)
            size, dtype = sum(part.nbytes for part in parts), str(parts[0].dtype).removeprefix("torch.")
            sent.append(Crossing("hand_out", victim, attacker, kind, digest, size, dtype, shape))
        return Report((), tuple(sent))

    def judge(self, attacker: str, attack: AttackOptions, victim: str) -> Report:
        """How near what `attacker` answered of what `victim` published comes to the truth, and what guesses do.

        The only place where an attack meets the truth.
        """
        guess, _ = read_release(private_folder(self.layout.run, attacker), guess_name(attack.label, victim))
        answer = guess[attack.answers]
        match attack.answers:
            case "images":
                return self._judge_images(attacker, attack.label, answer.to(self.compute.device).float() / 255, victim)
            case "attributes":
                truth = self.images_at(self.published_rows(victim)[: len(answer)])
                return Report(attribute_measures(answer, truth, self.scenario.seed))
            case "matches":
                _, places = self._candidates(attacker, attack, victim)
                return Report(match_measures(answer, torch.from_numpy(places), self.scenario.seed))
            case "members":
                _, places = self._candidates(attacker, attack, victim)
                is_member = np.isin(np.arange(len(answer)), places)
                return Report(membership_measures(answer.numpy(), is_member, self.scenario.seed))

    def _judge_images(self, attacker: str, attack: str, rebuilt: Tensor, victim: str) -> Report:
        device = self.compute.device
        order = self.published_order(victim)[: len(rebuilt)]
        truth = self.images_at(self.assignment.entities[victim].rows[order])
        images = truth.take(np.arange(len(truth)), device)
        seed, labels = self.scenario.seed, torch.from_numpy(truth.classes).to(device)
        unrelated = partial(self.stream("judge").torch, f"unrelated {victim}")

        def opened(rows: np.ndarray) -> Tensor:
            with torch.no_grad(), self.compute.autocast():
                features = self.released.featurizer(images[rows])
            return self.reconstruction(as_stored(features, self.spec.dtype))

        by_attack, by_open = (
            compared(shown, _rows_of(images), labels, self.eye) for shown in (_rows_of(rebuilt), opened)
        )
        by_guess = {
            name: compared(_rows_of(guess), _rows_of(images), labels, self.eye)
            for name, guess in guesses(images, labels, unrelated()).items()
        }
        ssim_max = next(name for name in by_attack if MetricName.parse(name).quantity == "ssim_max")
        worst, _ = worst_and_median(by_attack[ssim_max].numpy())
        shown = np.concatenate([worst, np.arange(min(PICTURES, len(images)))])
        there = np.stack([to_uint8(part[torch.from_numpy(shown)]) for part in (images, rebuilt)])
        np.save(self.private / judged_file(attacker, attack, victim), there)
        measures = [
            *(each for each in likeness(rebuilt, images, seed) if each.metric not in by_attack),
            *priors(images, labels, unrelated(), seed),
            *compared_measures(by_attack, seed),
            *(mean_measure(f"{metric}_open", values, seed) for metric, values in by_open.items()),
            *leakage_measures(by_attack, by_open, by_guess, seed),
        ]
        wanted = self.scenario.disclosure
        if wanted is not None:
            others = np.setdiff1d(self.holding.rows, self.assignment.entities[victim].rows[order], assume_unique=True)
            room = max(wanted.gallery - len(images), 0)
            more = self.stream("judge").numpy(f"gallery {victim}").permutation(others)[:room]
            gallery = torch.cat([images, self.images_at(np.sort(more)).take(np.arange(len(more)), device)])
            places = torch.arange(min(len(images), wanted.queries), device=device)
            ranks = Gallery(gallery, self.eye.recognizer).ranks(rebuilt[: len(places)], places)
            measures += [*rank_measures(ranks, seed), Measure("gallery", len(gallery))]
        return Report(tuple(measures))

    def infer(self, victim: str, progress: Progress) -> Report:
        """What classifiers read from what `victim` published: its private attributes, or whom its images show.

        Rows are those of the victim, in its order; who was trained on plain features saw the same ones.
        """
        wanted, private = self.scenario.inference, private_folder(self.layout.run, victim)
        assert wanted is not None  # else this stage is not played
        order = torch.from_numpy(np.load(private / "published.npy", allow_pickle=False))
        sent = torch.cat([shard.load()[0] for shard in self.shards_of(victim)])
        published = torch.empty_like(sent)
        published[order] = sent
        plain, told = self.features_of_entity(victim).load()[0], list[Measure]()
        at = np.searchsorted(self.holding.rows, self.assignment.entities[victim].rows)
        identities, stream = kept_numbers(self, "identities")[at], Stream(self.scenario.seed, victim, "infer")
        if "attributes" in wanted.of:
            names, attributes = self.assignment.asked.private, kept_numbers(self, "private")[at]
            question = what_is_private(attributes, names, identities, stream)
            fixed, fresh = (reader_of(self, each, question, stream, progress) for each in (plain, published))
            told += read_off(self, plain, published, question, fixed, fresh, "privacy")
            told += [
                replace(each, metric=f"privacy_{each.metric}")
                for each in question.task.chance(question.targets[question.tried])
                if math.isfinite(each.value)  # of few images none may have an attribute
            ]
        if "identities" in wanted.of:
            if (private / f"{IDENTIFIER}.safetensors").exists():
                question = who_is_it(identities, Stream(self.scenario.seed, victim, "identify"))
                fixed = self.new_split(question.task.outputs).decider
                fixed.load_state_dict(read_release(private, IDENTIFIER)[0])
            else:
                fixed, question = identifier_of(self, victim, plain, identities, progress)
            fresh = reader_of(self, published, question, stream, progress)
            told += read_off(self, plain, published, question, freeze(fixed), fresh, "identity")
            told.append(Measure("identity_top1_chance", 1 / question.task.outputs))
        return Report(tuple(told))

    def published_order(self, victim: str) -> np.ndarray:
        """The number among the victim's own of each row that it published."""
        return np.load(private_folder(self.layout.run, victim) / "published.npy", allow_pickle=False)

    def published_rows(self, victim: str) -> np.ndarray:
        """The row of the source behind each row that the victim published."""
        return self.assignment.entities[victim].rows[self.published_order(victim)]

    def _candidates(self, attacker: str, attack: AttackOptions, victim: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the source that an adversary's candidates are, and where those of attacked rows are; -1: nowhere."""
        wanted = attack.hand_out
        assert wanted is not None
        published = self.published_rows(victim)
        rows, _ = dealt(len(published), attack)
        draw = self.stream("hand_out").numpy(f"{attacker} {attack.label} {victim}")
        there = draw.permutation(rows)[: min(round(wanted.present * rows), wanted.candidates)]
        others = np.setdiff1d(self.holding.rows, self.assignment.entities[victim].rows)
        others = draw.permutation(others)[: wanted.candidates - len(there)]
        order = draw.permutation(len(there) + len(others))
        places = np.full(rows, -1)
        places[there] = np.argsort(order)[: len(there)]
        return np.concatenate([published[there], others])[order], places

    def features_of_entity(self, name: str) -> ShardReader:
        """Unpoisoned features of an entity's images, computed here from the source."""
        folder = self.private / name
        if not (folder / "features").exists():
            self.write_features(folder, self.images_at(self.assignment.entities[name].rows))
        return self.own_features(folder)

    def images_at(self, rows: np.ndarray) -> ImageSet:
        """The images of these rows of the source."""
        at = np.searchsorted(self.holding.rows, rows)
        return self.images.at(at)


def _rows_of(images: Tensor) -> Images:
    """`images` [rows, 3, side, side] by their row numbers."""
    return lambda rows: images[torch.from_numpy(rows)]
