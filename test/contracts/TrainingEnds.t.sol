// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IGradientRounds} from "../../contracts/interfaces/IGradientRounds.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {OwnerStatus} from "../../contracts/libraries/TrainingSlots.sol";
import {TrainingState} from "../../contracts/libraries/TrainingStates.sol";
import {Reenterer, Refuser} from "./Accounts.sol";
import {TestToken} from "./GradientTokens.sol";
import {TrainingTest} from "./TrainingTest.sol";

/// @notice How trainings end, how money leaves them, and who is convicted.
contract TrainingEndsTest is TrainingTest {
    address private constant PAYEE = address(0x9a1);
    bytes32 private constant OTHER = keccak256("the other leaf");
    uint256 private constant POT = uint256(REWARD) + ROUND_FEE;

    // ---- failure and expiry ------------------------------------------------------------------------

    function test_twoNoticesAboutThePresentRoundFailATraining() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        uint8[2][5] memory bad = [[uint8(1), 1], [0, 1], [1, 0], [1, 4], [255, 2]];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IGradientRounds.NoticePointsInvalid.selector, bad[i][0], bad[i][1])
            );
            rounds.fail(id, terms, _roundFailures(id, 1, bad[i][0], bad[i][1]));
        }
        bytes memory notSigned =
            abi.encodeWithSelector(IGradientRounds.RoundSignatureInvalid.selector, id, 1, terms.signers[0]);
        vm.expectRevert(notSigned);
        rounds.fail(id, terms, _roundFailures(id, 2, 1, 3));
        vm.expectRevert(notSigned);
        rounds.fail(id, terms, _roundFailures(id + 1, 1, 1, 3));
        vm.expectEmit();
        emit IGradientRounds.TrainingFailed(id, 1, [bytes32("PEER_LOST"), "PEER_LOST"]);
        rounds.fail(id, terms, _roundFailures(id, 1, 1, 3));
        _inState(id, TrainingState.Failed);
    }

    function test_aFailedTrainingRefundsTheRoundsThatNeverCameOnce() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        _attestRound(id, terms, keccak256("payouts"));
        rounds.fail(id, terms, _roundFailures(id, 2, 2, 3));
        uint256 before = MODEL_OWNER.balance;
        vm.prank(STRANGER);
        rounds.refund(id, terms);
        _eq(MODEL_OWNER.balance - before, 2 * POT, "two of three rounds");
        _refusedMove(id, TrainingState.Refunded, TrainingState.Refunded);
        rounds.refund(id, terms);
        _refusedMove(id, TrainingState.Refunded, TrainingState.Failed);
        rounds.fail(id, terms, _roundFailures(id, 2, 2, 3));
        _refusedMove(id, TrainingState.Refunded, TrainingState.Expired);
        rounds.expire(id, terms);
    }

    function test_aTrainingWithTooFewExpiresWithTheJoiningOtherwiseLater() public {
        (uint256 few, IGradientRounds.TrainingTerms memory terms) = _opened();
        (uint256 enough,) = _opened();
        _joinAll(few, terms, 4);
        _joinAll(enough, terms, 5);
        _expiresAfter(few, terms, START + JOIN);
        _expiresAfter(enough, terms, START + JOIN + COMMIT);
    }

    function test_aRoundWithTooFewExpiresWithTheCommittingOtherwiseLater() public {
        (uint256 few, IGradientRounds.TrainingTerms memory terms) = _opened();
        (uint256 enough,) = _opened();
        _joinAll(few, terms, 5);
        _joinAll(enough, terms, 5);
        _start(few, terms);
        rounds.startRound(enough, terms);
        for (uint256 i; i < 5; ++i) {
            if (i < 4) _commitUpdate(few, i);
            _commitUpdate(enough, i);
        }
        uint256 lastSec = rounds.training(few).phaseEndSec;
        _expiresAfter(few, terms, lastSec);
        _expiresAfter(enough, terms, lastSec + ATTEST);
        rounds.refund(enough, terms);
        rounds.refund(few, terms);
        _eq(MODEL_OWNER.balance, 100 ether, "everything came back");
    }

    // ---- deposits ----------------------------------------------------------------------------------

    function test_aDepositComesBackAfterTheTimeForEvidence() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 2);
        vm.prank(_owner(0));
        rounds.leaveTraining(id);
        uint256 untilSec = START + EVIDENCE;
        _locked(id, terms, 0, untilSec);
        _locked(id, terms, 1, type(uint256).max);
        vm.warp(untilSec);
        _locked(id, terms, 0, untilSec);
        rounds.expire(id, terms);
        vm.warp(untilSec + 1);
        rounds.withdraw(id, terms, _owner(0));
        _eq(_owner(0).balance, 1 ether, "the deposit is back");
        _refusedStatus(id, 0, OwnerStatus.Withdrawn);
        rounds.withdraw(id, terms, _owner(0));
        _locked(id, terms, 1, untilSec + EVIDENCE);
        // A refund does not move the end.
        vm.warp(untilSec + EVIDENCE);
        rounds.refund(id, terms);
        _locked(id, terms, 1, untilSec + EVIDENCE);
        vm.warp(untilSec + EVIDENCE + 1);
        rounds.withdraw(id, terms, _owner(1));
        _eq(address(rounds).balance, 0, "nothing stays");
        _refusedStatus(id, 2, OwnerStatus.None);
        rounds.withdraw(id, terms, _owner(2));
    }

    function test_nobodyLeavesATrainingThatHasEnded() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        rounds.fail(id, terms, _roundFailures(id, 1, 1, 2));
        vm.prank(_owner(0));
        vm.expectRevert(
            abi.encodeWithSelector(
                IGradientRounds.TrainingStateWrong.selector, id, TrainingState.Failed, TrainingState.Joining
            )
        );
        rounds.leaveTraining(id);
    }

    // ---- claims ------------------------------------------------------------------------------------

    function test_aPayoutIsPaidOnceToItsAccountAndUnderItsProofAlone() public {
        IGradientRounds.RoundPayout memory payout = IGradientRounds.RoundPayout(3, PAYEE, 700);
        (uint256 id,) = _attestedWith(_pair(_payoutLeaf(payout), OTHER));
        IGradientRounds.RoundClaim memory good = _claimOf(id, 1, address(0), payout, OTHER);
        bytes memory original = abi.encode(good);
        // Training, round, token, index, account, amount; the proof is the last word.
        for (uint256 word = 1; word <= 9; ++word) {
            if (word == 7 || word == 8) continue;
            IGradientRounds.RoundClaim memory bad =
                abi.decode(_flipped(original, word), (IGradientRounds.RoundClaim));
            vm.expectRevert(
                abi.encodeWithSelector(
                    IGradientRounds.RoundProofInvalid.selector, bad.training, bad.round, bad.payout.index
                )
            );
            rounds.claim(bad);
        }
        vm.prank(STRANGER);
        rounds.claim(good);
        _eq(PAYEE.balance, 700, "paid");
        _true(rounds.isClaimed(id, 1, 3), "claimed");
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.RoundAlreadyClaimed.selector, id, 1, 3));
        rounds.claim(good);
    }

    function test_payoutsBesideTheEdgeOfTheInlineBitsAreCountedOnceEach() public {
        uint256[6] memory indices = [uint256(0), 159, 160, 255, 256, type(uint256).max];
        for (uint256 i; i < indices.length; ++i) {
            IGradientRounds.RoundPayout memory payout = IGradientRounds.RoundPayout(indices[i], PAYEE, 1);
            (uint256 id,) = _attestedWith(_pair(_payoutLeaf(payout), OTHER));
            IGradientRounds.RoundClaim[] memory claims = new IGradientRounds.RoundClaim[](1);
            claims[0] = _claimOf(id, 1, address(0), payout, OTHER);
            rounds.claimMany(claims);
            for (uint256 j; j < indices.length; ++j) {
                _true(rounds.isClaimed(id, 1, indices[j]) == (i == j), "this index and no other");
            }
            vm.expectRevert(
                abi.encodeWithSelector(IGradientRounds.RoundAlreadyClaimed.selector, id, 1, indices[i])
            );
            rounds.claimMany(claims);
        }
        _eq(PAYEE.balance, indices.length, "each once");
    }

    function test_aRoundPaysNoMoreThanItsOwnMoney() public {
        IGradientRounds.RoundPayout memory first = IGradientRounds.RoundPayout(0, PAYEE, POT - 1);
        IGradientRounds.RoundPayout memory second = IGradientRounds.RoundPayout(1, PAYEE, 2);
        (uint256 id,) = _attestedWith(_pair(_payoutLeaf(first), _payoutLeaf(second)));
        rounds.claim(_claimOf(id, 1, address(0), first, _payoutLeaf(second)));
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.RoundClaimTooLarge.selector, id, 1, 2, 1));
        rounds.claim(_claimOf(id, 1, address(0), second, _payoutLeaf(first)));
        first.amount = POT;
        (id,) = _attestedWith(_pair(_payoutLeaf(first), OTHER));
        rounds.claim(_claimOf(id, 1, address(0), first, OTHER));
        (uint256 unclaimed,) = rounds.roundPurse(id, 1);
        _eq(unclaimed, 0, "one payee may have all of it");
    }

    function test_onlyThePayeeWhoRefusesMoneyIsHurtByIt() public {
        address refuser = address(new Refuser());
        IGradientRounds.RoundPayout memory payout = IGradientRounds.RoundPayout(0, refuser, 5);
        IGradientRounds.RoundPayout memory other = IGradientRounds.RoundPayout(1, PAYEE, 6);
        (uint256 id,) = _attestedWith(_pair(_payoutLeaf(payout), _payoutLeaf(other)));
        vm.expectRevert(abi.encodeWithSelector(Payments.PaymentFailed.selector, refuser, 5));
        rounds.claim(_claimOf(id, 1, address(0), payout, _payoutLeaf(other)));
        rounds.claim(_claimOf(id, 1, address(0), other, _payoutLeaf(payout)));
        _eq(PAYEE.balance, 6, "paid");
    }

    function test_aPayeeThatCallsBackGetsNothingMore() public {
        Reenterer thief = new Reenterer();
        IGradientRounds.RoundPayout memory first = IGradientRounds.RoundPayout(0, address(thief), 5);
        IGradientRounds.RoundPayout memory second = IGradientRounds.RoundPayout(1, address(thief), 6);
        (uint256 id, IGradientRounds.TrainingTerms memory terms) =
            _attestedWith(_pair(_payoutLeaf(first), _payoutLeaf(second)));
        IGradientRounds.RoundClaim memory again = _claimOf(id, 1, address(0), second, _payoutLeaf(first));
        IGradientRounds.RoundClaim[] memory many = new IGradientRounds.RoundClaim[](1);
        many[0] = again;
        IGradientRounds.SignedCommitment[2] memory two;
        bytes[8] memory calls = [
            abi.encodeCall(rounds.claim, (again)),
            abi.encodeCall(rounds.claimMany, (many)),
            abi.encodeCall(rounds.refund, (id, terms)),
            abi.encodeCall(rounds.withdraw, (id, terms, _owner(0))),
            abi.encodeCall(rounds.payForfeit, (id, terms, _owner(0))),
            abi.encodeCall(rounds.convictOwner, (id, terms, _owner(0), 1, two)),
            abi.encodeCall(rounds.convictCommitter, (id, terms, _owner(0), two[0])),
            abi.encodeCall(rounds.join, (id, terms))
        ];
        for (uint256 i; i < calls.length; ++i) thief.prepare(address(rounds), calls[i]);
        rounds.claim(_claimOf(id, 1, address(0), first, _payoutLeaf(second)));
        _eq(address(thief).balance, 5, "the first payout only");
        for (uint256 i; i < calls.length; ++i) {
            _true(
                bytes4(thief.answers(i)) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector,
                "refused by the guard"
            );
        }
    }

    // ---- tokens ------------------------------------------------------------------------------------

    function test_aTrainingInATokenTakesAndPaysThatTokenAlone() public {
        for (uint256 manner; manner < 2; ++manner) {
            (TestToken token, IGradientRounds.TrainingRequest memory request) = _inToken();
            token.behave(TestToken.Manner(manner));
            (uint256 id, IGradientRounds.TrainingTerms memory terms) = _openWith(request);
            _joinAll(id, terms, 5);
            _eq(token.balanceOf(address(rounds)), 3 * POT + 5 * uint256(DEPOSIT), "held");
            _start(id, terms);
            for (uint256 i; i < 5; ++i) _commitUpdate(id, i);
            IGradientRounds.RoundPayout memory payout = IGradientRounds.RoundPayout(0, PAYEE, 700);
            _attestRound(id, terms, _pair(_payoutLeaf(payout), OTHER));
            vm.expectRevert(abi.encodeWithSelector(IGradientRounds.RoundProofInvalid.selector, id, 1, 0));
            rounds.claim(_claimOf(id, 1, address(0), payout, OTHER));
            rounds.claim(_claimOf(id, 1, address(token), payout, OTHER));
            _eq(token.balanceOf(PAYEE), 700, "paid");
            rounds.fail(id, terms, _roundFailures(id, 2, 1, 2));
            rounds.refund(id, terms);
            vm.warp(block.timestamp + EVIDENCE + 1);
            for (uint256 i; i < 5; ++i) rounds.withdraw(id, terms, _owner(i));
            _eq(token.balanceOf(address(rounds)), POT - 700, "what is not claimed");
        }
    }

    function test_theOperatorsAreAskedForTheTokenAndForTheirFeeInIt() public {
        (TestToken token, IGradientRounds.TrainingRequest memory request) = _inToken();
        vm.prank(members[1]);
        operators.acceptToken(address(token), FEE + 1);
        _refusedOpening(
            request, abi.encodeWithSelector(IGradientRounds.FeeTooSmall.selector, ROUND_FEE, ROUND_FEE + 1)
        );
        vm.prank(members[1]);
        operators.refuseToken(address(token));
        _refusedOpening(
            request,
            abi.encodeWithSelector(IOperatorRegistry.TokenNotAccepted.selector, members[1], address(token))
        );
    }

    function test_tokensThatDeliverLessOrNothingAreRefused() public {
        (TestToken token, IGradientRounds.TrainingRequest memory request) = _inToken();
        token.behave(TestToken.Manner.Taxing);
        _refusedOpening(
            request,
            abi.encodeWithSelector(Payments.TokenShort.selector, address(token), 3 * POT - 3 * POT / 100, 3 * POT)
        );
        token.behave(TestToken.Manner.Refusing);
        _refusedOpening(
            request, abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token))
        );
        token.behave(TestToken.Manner.Lying);
        _refusedOpening(
            request, abi.encodeWithSelector(Payments.TokenShort.selector, address(token), 0, 3 * POT)
        );
    }

    function test_ethIsRefusedWhereATokenIsDueAndAnotherAmountEverywhere() public {
        (, IGradientRounds.TrainingRequest memory request) = _inToken();
        vm.prank(MODEL_OWNER);
        vm.expectRevert(abi.encodeWithSelector(Payments.ValueWrong.selector, 1, 0));
        rounds.open{value: 1}(request);
        request = _asked();
        vm.prank(MODEL_OWNER);
        vm.expectRevert(abi.encodeWithSelector(Payments.ValueWrong.selector, 3 * POT - 1, 3 * POT));
        rounds.open{value: 3 * POT - 1}(request);
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        vm.prank(_owner(0));
        vm.expectRevert(abi.encodeWithSelector(Payments.ValueWrong.selector, DEPOSIT + 1, DEPOSIT));
        rounds.join{value: DEPOSIT + 1}(id, terms);
    }

    function test_aTokenThatCallsBackFindsTheDoorShut() public {
        (TestToken token, IGradientRounds.TrainingRequest memory request) = _inToken();
        token.prepare(address(rounds), abi.encodeCall(rounds.open, (request)));
        token.behave(TestToken.Manner.Reentering);
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _openWith(request);
        _shut(token);
        token.prepare(address(rounds), abi.encodeCall(rounds.join, (id, terms)));
        _join(id, terms, 0);
        _shut(token);
        _eq(rounds.training(id).owners, 1, "one has joined");
    }

    // ---- helpers -----------------------------------------------------------------------------------

    function _shut(TestToken token) private view {
        _true(!token.reentered(), "the token got in");
        _true(
            bytes4(token.answer()) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, "by the guard"
        );
    }

    function _inToken() private returns (TestToken token, IGradientRounds.TrainingRequest memory request) {
        token = new TestToken();
        request = _asked();
        request.token = address(token);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.acceptToken(address(token), FEE);
        }
        token.mint(MODEL_OWNER, 3 * POT);
        vm.prank(MODEL_OWNER);
        token.approve(address(rounds), type(uint256).max);
        for (uint256 i; i < OWNERS; ++i) {
            token.mint(_owner(i), DEPOSIT);
            vm.prank(_owner(i));
            token.approve(address(rounds), DEPOSIT);
        }
    }

    function _attestedWith(bytes32 payoutRoot)
        private
        returns (uint256 id, IGradientRounds.TrainingTerms memory terms)
    {
        (id, terms) = _committed();
        _attestRound(id, terms, payoutRoot);
    }

    function _expiresAfter(uint256 id, IGradientRounds.TrainingTerms memory terms, uint256 lastSec) private {
        vm.warp(lastSec);
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.PhaseOpen.selector, id, lastSec));
        rounds.expire(id, terms);
        vm.warp(lastSec + 1);
        rounds.expire(id, terms);
        _inState(id, TrainingState.Expired);
    }

    function _locked(uint256 id, IGradientRounds.TrainingTerms memory terms, uint256 i, uint256 untilSec) private {
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.DepositLocked.selector, id, _owner(i), untilSec)
        );
        rounds.withdraw(id, terms, _owner(i));
    }

    function _refusedStatus(uint256 id, uint256 i, OwnerStatus status) private {
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.OwnerStatusWrong.selector, id, _owner(i), status)
        );
    }

    function _refusedMove(uint256 id, TrainingState from, TrainingState to) private {
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.TrainingMoveRefused.selector, id, from, to));
    }

    function _refusedOpening(IGradientRounds.TrainingRequest memory request, bytes memory reason) private {
        vm.prank(MODEL_OWNER);
        vm.expectRevert(reason);
        rounds.open(request);
    }
}
